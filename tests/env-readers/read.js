// Prints what Node's dotenv reads from each file that is named on stdin, one a line, as JSON.
const fs = require('fs')
const { createRequire } = require('module')
const dotenv = createRequire(process.argv[2] + '/')('dotenv')

const files = fs.readFileSync(0, 'utf8').split('\n').filter(Boolean)
console.log(JSON.stringify(files.map((file) => dotenv.parse(fs.readFileSync(file, { encoding: 'utf8' })))))
