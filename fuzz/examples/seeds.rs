//! Takes the golden files apart into inputs for the targets: `seeds VECTORS CORPUS` writes each part to
//! `CORPUS/TARGET/NAME`.

use std::env;
use std::error::Error;
use std::fs;
use std::path::PathBuf;

use vault_core::fuzzing;

fn main() -> Result<(), Box<dyn Error>> {
    let mut folders = env::args_os().skip(1).map(PathBuf::from);
    let (Some(vectors), Some(corpus)) = (folders.next(), folders.next()) else {
        return Err("usage: seeds VECTORS CORPUS".into());
    };
    for entry in fs::read_dir(vectors)? {
        let path = entry?.path();
        let Some(name) = path.file_stem().filter(|_| path.extension().is_some_and(|it| it == "vault")) else {
            continue;
        };
        for (target, bytes) in fuzzing::seeds(&fs::read(&path)?) {
            let folder = corpus.join(target);
            fs::create_dir_all(&folder)?;
            fs::write(folder.join(name), bytes)?;
        }
    }
    Ok(())
}
