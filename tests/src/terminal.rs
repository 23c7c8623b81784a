//! A pseudo-terminal with a command on it: what a person sees and types, and the terminal's settings.
//!
//! setsid(1) makes the terminal the controlling one of the command, which is what `/dev/tty` means.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
use rustix::termios::{LocalModes, Termios, Winsize, tcgetattr, tcsetwinsize};

use crate::{behind, require};

/// How long anything may take on a busy machine before a test gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// Ctrl-C, as the keyboard sends it.
pub const CTRL_C: &str = "\u{3}";
/// Ctrl-D, as the keyboard sends it.
pub const CTRL_D: &str = "\u{4}";

/// A terminal and the command that was started on it.
#[derive(Debug)]
pub struct Terminal {
    master: File,
    slave: OwnedFd,
    shown: Receiver<Vec<u8>>,
    seen: String,
    searched: usize,
    before: String,
    child: Child,
}

/// What a finished command left on its terminal.
#[derive(Debug)]
pub struct Session {
    /// Everything that was shown, typed characters that were echoed included.
    pub shown: String,
    /// The exit code; 128 + n for signal n, as a shell says it.
    pub code: i32,
    /// The terminal's settings are what they were before the command.
    pub settings_kept: bool,
}

impl Terminal {
    /// Starts a command with stdin, stdout and stderr on a new terminal.
    pub fn start(command: &Command) -> Self {
        Self::through(&[], command)
    }

    /// Starts a command through a script of `sh` on a new terminal. The script runs the command as `"$@"`, with
    /// the redirections under test.
    pub fn script(script: &str, command: &Command) -> Self {
        Self::through(&["sh", "-c", script, "sh"], command)
    }

    fn through(words: &[&str], command: &Command) -> Self {
        require("setsid", "util-linux");
        let master =
            openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a terminal");
        grantpt(&master).and_then(|()| unlockpt(&master)).expect("a terminal to open");
        let slave =
            ioctl_tiocgptpeer(&master, OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC);
        let slave = slave.expect("the terminal's other side");
        let size = Winsize { ws_row: 50, ws_col: 160, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&slave, size).expect("a terminal with a size");
        // As the shell of a person starts it: whoever started the tests may ignore Ctrl-C.
        let as_a_shell = ["setsid", "--ctty", "env", "--default-signal=INT,QUIT"];
        let mut started = behind(&[&as_a_shell, words].concat(), command);
        started.env("TERM", "xterm");
        let end = || slave.try_clone().expect("a descriptor");
        started.stdin(end()).stdout(end()).stderr(end());
        let before = settings(&slave);
        let child = started.spawn().expect("setsid starts");
        let master = File::from(master);
        let shown = watch(master.try_clone().expect("a descriptor"));
        Self { master, slave, shown, seen: String::new(), searched: 0, before, child }
    }

    /// Returns the process id of what was started.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the terminal shows `text` after what was waited for before.
    #[track_caller]
    pub fn wait_for(&mut self, text: &str) -> &mut Self {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.seen[self.searched..].find(text) {
                self.searched += at + text.len();
                return self;
            }
            match self.shown.recv_timeout(end.saturating_duration_since(Instant::now())) {
                Ok(bytes) => self.seen.push_str(&String::from_utf8_lossy(&bytes)),
                Err(_) => panic!("the terminal never showed {text:?}:\n{}", self.seen),
            }
        }
    }

    /// Returns what was shown so far, as far as it was waited for.
    pub fn shown_so_far(&self) -> &str {
        &self.seen[..self.searched]
    }

    /// Waits for a prompt that hides what is typed: the terminal has to stop echoing.
    #[track_caller]
    pub fn wait_for_hidden(&mut self, prompt: &str) -> &mut Self {
        self.wait_for(prompt);
        let end = Instant::now() + PATIENCE;
        while self.echoes() {
            assert!(Instant::now() < end, "the terminal echoes at {prompt:?}");
            thread::sleep(Duration::from_millis(1));
        }
        self
    }

    /// Types `keys`.
    pub fn type_keys(&mut self, keys: &str) -> &mut Self {
        self.master.write_all(keys.as_bytes()).expect("a terminal takes keys");
        self
    }

    /// Tells whether the terminal shows what is typed.
    pub fn echoes(&self) -> bool {
        tcgetattr(&self.slave).expect("settings").local_modes.contains(LocalModes::ECHO)
    }

    /// Waits for the end of the command.
    #[track_caller]
    pub fn finish(mut self) -> Session {
        let end = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                break status;
            }
            if Instant::now() > end {
                drop(self.child.kill());
                panic!("the command does not end:\n{}", self.seen);
            }
            thread::sleep(Duration::from_millis(2));
        };
        let settings_kept = settings(&self.slave) == self.before;
        drop(self.slave);
        // With its last user gone, the terminal ends and so does the thread that watches it. A program
        // left behind would keep it; what matters was shown before.
        while let Ok(bytes) = self.shown.recv_timeout(Duration::from_secs(1)) {
            self.seen.push_str(&String::from_utf8_lossy(&bytes));
        }
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or_default());
        Session { shown: self.seen, code, settings_kept }
    }
}

impl Session {
    /// Checks the exit code, and that the terminal's settings are as before.
    #[track_caller]
    pub fn ends(&self, code: i32) -> &Self {
        assert_eq!(self.code, code, "{}", self.shown);
        assert!(self.settings_kept, "the terminal was left with other settings:\n{}", self.shown);
        self
    }

    /// Checks that the terminal showed `text`.
    #[track_caller]
    pub fn shows(&self, text: &str) -> &Self {
        assert!(self.shown.contains(text), "the terminal lacks {text:?}:\n{}", self.shown);
        self
    }

    /// Checks that the terminal never showed `text`.
    #[track_caller]
    pub fn hides(&self, text: &str) -> &Self {
        assert!(!self.shown.contains(text), "the terminal has {text:?}:\n{}", self.shown);
        self
    }
}

/// Reads what the terminal shows, in the background: a full terminal would stop its command.
fn watch(mut master: File) -> Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut bytes = [0; 4096];
        while let Ok(count @ 1..) = master.read(&mut bytes) {
            if sender.send(bytes[..count].to_vec()).is_err() {
                break;
            }
        }
    });
    receiver
}

/// Returns all settings of a terminal as text, so that two can be compared.
fn settings(terminal: &OwnedFd) -> String {
    let Termios { input_modes, output_modes, control_modes, local_modes, special_codes, .. } =
        tcgetattr(terminal).expect("the settings of a terminal");
    let mut text = String::new();
    write!(text, "{input_modes:?} {output_modes:?} {control_modes:?} {local_modes:?} {special_codes:?}")
        .expect("a text takes text");
    text
}
