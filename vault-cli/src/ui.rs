//! The terminal: messages on stderr, prompts, questions. The only place that writes to it, beside the
//! reports of `output.rs`.

use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Color, Style};
use rustix::termios::tcgetwinsize;
use vault_core::name::escape_deceptive;
use vault_core::secret::{SecretBytes, SecretString};

use crate::arguments::{ColorWhen, Globals, OutputForm};
use crate::error::CommandError;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const WARNING: Style = AnsiColor::Yellow.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default();
const PICTURE: Style = Style::new()
    .fg_color(Some(Color::Ansi(AnsiColor::Black)))
    .bg_color(Some(Color::Ansi(AnsiColor::BrightWhite)));

/// The longest line that a terminal hands over (`termios(3)`), in bytes. Less would leave the rest of the line to
/// the next prompt.
const MAX_ANSWER: u64 = 4096;

/// Keeps what a panic carries off the screen: it could hold a part of a secret. Only the place is shown.
pub(crate) fn hide_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        let written =
            writeln!(io::stderr(), "error: keyward failed at {place}; this is a bug, please report it");
        drop(written);
    }));
}

/// How to talk to the person, decided once from flags, environment and streams.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ui {
    pub(crate) json: bool,
    pub(crate) quiet: bool,
    pub(crate) verbose: bool,
    color: ColorChoice,
    may_prompt: bool,
}

impl Ui {
    /// Decides how to talk. `is_ci` says that nobody is there to answer.
    pub(crate) fn new(globals: &Globals, is_ci: bool) -> Self {
        let color = match globals.color {
            ColorWhen::Auto => ColorChoice::Auto,
            ColorWhen::Always => ColorChoice::Always,
            ColorWhen::Never => ColorChoice::Never,
        };
        Self {
            json: globals.json || globals.output == Some(OutputForm::Json),
            quiet: globals.quiet,
            verbose: globals.verbose,
            color,
            may_prompt: !globals.no_input && !is_ci && io::stdin().is_terminal(),
        }
    }

    /// How to talk while the command line has not been understood.
    pub(crate) const fn before_arguments(json: bool) -> Self {
        Self { json, quiet: false, verbose: false, color: ColorChoice::Auto, may_prompt: false }
    }

    /// Tells whether a person can be asked.
    pub(crate) const fn may_prompt(self) -> bool {
        self.may_prompt
    }

    /// Tells whether a person sees what is said, and can act on it.
    pub(crate) fn is_attended(self) -> bool {
        self.may_prompt && io::stderr().is_terminal()
    }

    /// Says something that the person should know but need not act on.
    pub(crate) fn note(self, text: &str) {
        if !self.quiet {
            self.line(Style::new(), "", text);
        }
    }

    /// Says several things, each on a line. What of them comes from elsewhere has to be escaped before.
    pub(crate) fn notes(self, lines: &str) {
        lines.lines().for_each(|line| self.note(line));
    }

    /// Says what the person has to do next, or has to know before they do. `--quiet` does not hide it.
    pub(crate) fn instruct(self, text: &str) {
        self.line(Style::new(), "", text);
    }

    /// Shows rows of a picture, dark on light whatever the colours of the terminal are: a camera reads no other.
    pub(crate) fn picture(self, rows: &[String]) {
        let mut stderr = AutoStream::always(io::stderr()).lock();
        for row in rows {
            drop(writeln!(stderr, "    {PICTURE}{row}{PICTURE:#}"));
        }
    }

    /// Says something for `--verbose`.
    pub(crate) fn detail(self, text: &str) {
        if self.verbose {
            self.line(Style::new(), "", text);
        }
    }

    /// Warns. Warnings are errors that did not stop the command, so `--quiet` does not hide them.
    pub(crate) fn warn(self, text: &str) {
        self.line(WARNING, "warning: ", text);
    }

    /// Shows an error with its causes and what to do next.
    pub(crate) fn error(self, error: &CommandError) {
        self.line(ERROR, "error: ", &error.message);
        error.causes.iter().for_each(|cause| self.line(Style::new(), "caused by: ", cause));
        error.hint.iter().for_each(|hint| self.line(HINT, "hint: ", hint));
    }

    /// Shows a key or code that the person has to keep, this once. `--quiet` does not hide it.
    pub(crate) fn show_once(self, what: &str, text: &SecretString) {
        self.line(WARNING, "keep this: ", &format!("the {what} is shown only now: {}", text.expose_secret()));
    }

    /// Writes one line to stderr, whatever the text holds: names of files and what stands in them come from others, and
    /// would steer a terminal, or start a line that GitHub takes for a command. There is nobody to tell that stderr
    /// is closed.
    fn line(self, style: Style, head: &str, text: &str) {
        let mut stderr = AutoStream::new(io::stderr(), self.color).lock();
        let written = writeln!(stderr, "{style}{head}{style:#}{}", escape_deceptive(text));
        drop(written);
    }

    /// Asks for a hidden value on the terminal.
    ///
    /// # Errors
    ///
    /// Interrupted with Ctrl-C (the terminal is put back before), or no terminal.
    pub(crate) fn ask_secret(self, prompt: &str) -> Result<SecretString, CommandError> {
        let _sigint = SigintHeld::new()?;
        match rpassword::prompt_password(prompt) {
            Ok(text) => Ok(SecretString::new(text)),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(CommandError::interrupted()),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(CommandError::interrupted()),
            Err(error) => Err(no_terminal(&error)),
        }
    }

    /// Asks for a new passphrase, twice.
    ///
    /// # Errors
    ///
    /// As [`Self::ask_secret`]; wrong usage if the two differ or are empty.
    pub(crate) fn ask_new_passphrase(self) -> Result<SecretBytes, CommandError> {
        let first = self.ask_secret("New passphrase: ")?;
        if first.expose_secret().is_empty() {
            return Err(CommandError::usage("a passphrase can't be empty"));
        }
        let second = self.ask_secret("The same again: ")?;
        if first.expose_secret() != second.expose_secret() {
            return Err(CommandError::usage("the two passphrases differ; nothing was changed"));
        }
        if first.expose_secret().chars().count() < 16 {
            self.warn(
                "a short passphrase can be guessed by whoever has the file; five random words are better",
            );
        }
        Ok(SecretBytes::new(first.expose_secret().as_bytes().to_vec()))
    }

    /// Asks a yes-or-no question on the terminal; an empty answer is yes.
    ///
    /// # Errors
    ///
    /// No terminal.
    pub(crate) fn ask_yes(self, question: &str) -> Result<bool, CommandError> {
        let answer = self.ask_line(&format!("{question} [Y/n] "))?;
        Ok(answer.is_some_and(|answer| !answer.to_lowercase().starts_with('n')))
    }

    /// Asks a yes-or-no question on the terminal; an empty answer is no.
    ///
    /// # Errors
    ///
    /// No terminal.
    pub(crate) fn ask_no(self, question: &str) -> Result<bool, CommandError> {
        let answer = self.ask_line(&format!("{question} [y/N] "))?;
        Ok(answer.is_some_and(|answer| answer.to_lowercase().starts_with('y')))
    }

    /// Asks for a line on the terminal, which shows it; `None` if the person ended the input instead.
    ///
    /// # Errors
    ///
    /// No terminal.
    pub(crate) fn ask_line(self, prompt: &str) -> Result<Option<String>, CommandError> {
        let terminal =
            File::options().read(true).write(true).open("/dev/tty").map_err(|e| no_terminal(&e))?;
        write!(&terminal, "{prompt}").map_err(|error| no_terminal(&error))?;
        let mut answer = String::new();
        let read = BufReader::new(terminal.take(MAX_ANSWER)).read_line(&mut answer);
        read.map_err(|error| no_terminal(&error))?;
        Ok(answer.strip_suffix('\n').map(|answer| answer.trim().to_owned()))
    }
}

/// Returns how many columns the terminal of stderr has, where it says so.
pub(crate) fn columns() -> Option<usize> {
    tcgetwinsize(io::stderr()).ok().map(|size| usize::from(size.ws_col)).filter(|columns| *columns > 0)
}

fn no_terminal(error: &io::Error) -> CommandError {
    CommandError::usage("cannot ask on the terminal").caused_by(error)
}

/// While it lives, Ctrl-C does not end the process, so that a hidden prompt can put the terminal back
/// first. The prompt itself reports the key. Later Ctrl-C ends the process again.
#[derive(Debug)]
struct SigintHeld(&'static AtomicBool);

/// Whether Ctrl-C ends the process, once a prompt has installed a handler for it. The handler then stays for
/// the life of the process, as signals themselves do, and has to do what the system would have done.
static SIGINT_ENDS: OnceLock<Arc<AtomicBool>> = OnceLock::new();

impl SigintHeld {
    fn new() -> Result<Self, CommandError> {
        if SIGINT_ENDS.get().is_none() {
            let ends = Arc::clone(SIGINT_ENDS.get_or_init(Arc::default));
            signal_hook::flag::register_conditional_default(signal_hook::consts::SIGINT, ends)
                .map_err(|error| no_terminal(&error))?;
        }
        let ends = SIGINT_ENDS.get_or_init(Arc::default);
        ends.store(false, Ordering::SeqCst);
        Ok(Self(ends))
    }
}

impl Drop for SigintHeld {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// While it lives, Ctrl-C does not end the process but is noted, so that what was begun can be left in order.
#[derive(Debug)]
pub(crate) struct CtrlC {
    noted: Arc<AtomicBool>,
    _held: SigintHeld,
}

impl CtrlC {
    /// Notes Ctrl-C from now on.
    ///
    /// # Errors
    ///
    /// The system takes no handler.
    pub(crate) fn noted() -> Result<Self, CommandError> {
        let (held, noted) = (SigintHeld::new()?, Arc::<AtomicBool>::default());
        signal_hook::flag::register(signal_hook::consts::SIGINT, Arc::clone(&noted))
            .map_err(|error| no_terminal(&error))?;
        Ok(Self { noted, _held: held })
    }

    /// Tells whether it was pressed.
    pub(crate) fn is_pressed(&self) -> bool {
        self.noted.load(Ordering::SeqCst)
    }
}

/// Lets Ctrl-C end the process no longer, whatever prompts there were: a program is about to start, to which
/// it is passed on.
pub(crate) fn leave_sigint_to_the_program() {
    SIGINT_ENDS.get().iter().for_each(|ends| ends.store(false, Ordering::SeqCst));
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    #[ignore = "the other test starts it in a process of its own"]
    fn panicking() {
        hide_panics();
        panic!("{}", ["ca", "nary"].concat());
    }

    #[test]
    fn a_panic_shows_its_place_and_not_what_it_carries() {
        let mut this = Command::new(std::env::current_exe().unwrap());
        this.args(["--exact", "ui::tests::panicking", "--ignored", "--nocapture"]);
        let output = this.env("RUST_BACKTRACE", "full").output().unwrap();
        let text =
            [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
        assert!(text.contains("error: keyward failed at vault-cli/src/ui.rs:"), "{text}");
        assert!(!text.contains("canary"), "{text}");
    }
}
