//! `run`: what reaches the program, what does not, and the code that comes back.

use keyward_tests::{Finished, Home, feed};

fn home() -> Home {
    let home = Home::new();
    home.put("TOKEN", "t");
    home.put("DB_USER", "u");
    home.put("DB_PASSWORD", "p");
    home
}

fn run(home: &Home, options: &[&str], program: &[&str]) -> Finished {
    home.run([&["run"], options, &["--"], program].concat())
}

/// The variables that `env` shows, without those that the shell of the test sets.
fn environment(finished: &Finished) -> Vec<String> {
    let text = finished.succeeds().text();
    let own = text.lines().filter(|line| !line.starts_with("PATH=") && !line.starts_with("HOME="));
    own.map(str::to_owned).collect()
}

#[test]
fn every_secret_of_workspace_and_tenant_reaches_the_program() {
    let home = home();
    home.run_with_input(["put", "SHARED", "--scope", "tenant"], "s").succeeds();
    home.run_with_input(["put", "TOKEN", "--scope", "tenant"], "other").succeeds();
    home.run_with_input(["put", "HIDDEN", "--workspace", "web"], "h").succeeds();
    let said = run(&home, &[], &["env"]);
    assert_eq!(environment(&said), ["DB_PASSWORD=p", "DB_USER=u", "SHARED=s", "TOKEN=t"]);
    assert_eq!(said.stderr, "");
}

#[test]
fn only_and_prefix_select() {
    let home = home();
    assert_eq!(environment(&run(&home, &["--only", "TOKEN,DB_USER"], &["env"])), ["DB_USER=u", "TOKEN=t"]);
    assert_eq!(environment(&run(&home, &["--prefix", "DB_"], &["env"])), ["DB_PASSWORD=p", "DB_USER=u"]);
    assert_eq!(environment(&run(&home, &["--scope", "tenant"], &["env"])), [""; 0]);
    run(&home, &["--only", "NONE"], &["env"]).fails(4, &["no secret NONE"]);
    run(&home, &["--prefix", "NONE"], &["true"]).fails(0, &["warning: no secret is selected"]);
    run(&home, &["--only", "A", "--prefix", "B"], &["env"]).fails(2, &["cannot be used with"]);
}

#[test]
fn a_secret_goes_before_an_inherited_variable_and_says_so() {
    let home = home().with("TOKEN", "inherited");
    let said = run(&home, &[], &["printenv", "TOKEN"]);
    assert_eq!(
        (said.text().as_str(), said.stderr.as_str()),
        ("t\n", "overrides the inherited variable: TOKEN\n")
    );
}

#[test]
fn preserve_env_lets_the_inherited_variable_win_and_says_so() {
    let home = home().with("TOKEN", "inherited");
    let said = run(&home, &["--preserve-env"], &["printenv", "TOKEN"]);
    assert_eq!(said.text(), "inherited\n");
    said.fails(0, &["keeps the inherited value of: TOKEN"]);
}

#[test]
fn keywards_own_variables_never_reach_the_program() {
    let home = home().with("KEYWARD_TENANT", "default").with("KEYWARD_ANYTHING", "x").with("KEYWARDEN", "y");
    home.run_with_input(["put", "KEYWARD_VAULT_KEY"], "k").succeeds();
    let said = run(&home, &["--prefix", "K"], &["env"]);
    assert_eq!(environment(&said), ["KEYWARDEN=y"]);
    said.fails(0, &["warning: never given to a program: KEYWARD_VAULT_KEY"]);
}

#[test]
fn what_an_environment_can_not_carry_is_named() {
    let home = home();
    let large = vec![b'v'; 128 << 10];
    for (name, value, reason) in [
        ("NUL", &b"a\0b"[..], "no environment variable can hold a NUL byte, which is in the value of: NUL"),
        ("LARGE", &large, "an environment variable holds at most 128 KiB, less than the value of: LARGE"),
        ("db/key", b"v", "no environment variable can have the name of this secret: db/key"),
    ] {
        home.put(name, value);
        let said = run(&home, &[], &["touch", "started"]);
        said.fails(125, &[&format!("error: {reason}"), "`--only NAME,NAME`"]);
        assert!(!home.path().join("started").exists());
        run(&home, &["--only", "TOKEN"], &["true"]).succeeds();
        home.run(["rm", name]).succeeds();
    }
}

#[test]
fn more_than_the_system_allows_in_total_is_refused_before_the_start() {
    let home = Home::new();
    for number in 0..70 {
        home.put(&format!("S{number}"), vec![b'v'; 100_000 + number]);
    }
    run(&home, &[], &["true"]).fails(125, &["larger than the system allows; most is taken by: S69"]);
}

#[test]
fn values_reach_the_program_byte_for_byte() {
    let home = Home::new();
    let pem = "-----BEGIN KEY-----\n$HOME `id` \"'\\\n-----END KEY-----\n";
    home.run_with_input(["put", "PEM", "--raw"], pem).succeeds();
    home.put("BYTES", b"\xff\xfe\n");
    assert_eq!(run(&home, &[], &["sh", "-c", "printf %s \"$PEM\""]).text(), pem);
    assert_eq!(run(&home, &[], &["sh", "-c", "printf %s \"$BYTES\""]).stdout, b"\xff\xfe\n");
}

#[test]
fn the_code_of_the_program_comes_back() {
    let home = home();
    for code in [0, 1, 2, 42, 125, 255] {
        let said = run(&home, &[], &["sh", "-c", &format!("exit {code}")]);
        assert_eq!((said.code, said.stderr.as_str()), (code, ""));
    }
}

#[test]
fn a_program_killed_by_a_signal_gives_128_and_its_number() {
    let home = home();
    for (signal, code) in [("TERM", 143), ("KILL", 137), ("SEGV", 139)] {
        let said = run(&home, &[], &["sh", "-c", &format!("kill -{signal} $$")]);
        assert_eq!((said.code, said.stderr.as_str()), (code, ""));
    }
}

#[test]
fn a_program_that_is_not_there_gives_127_and_one_that_can_not_run_126() {
    let home = home();
    run(&home, &[], &["nosuch"]).fails(127, &["error: no such program: nosuch"]);
    run(&home, &[], &["./nosuch"]).fails(127, &["error: no such program: ./nosuch"]);
    run(&home, &[], &["/etc/passwd"])
        .fails(126, &["error: not executable: /etc/passwd", "Permission denied"]);
    run(&home, &[], &["/"]).fails(126, &["error: not executable: /"]);
    let script = home.write("script", "#!/no/such/interpreter\n");
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    run(&home, &[], &["./script"]).fails(126, &["the interpreter it names does not exist"]);
}

#[test]
fn stdin_passes_through_untouched() {
    let home = home();
    let bytes: Vec<u8> = (0..200_000_u32).map(|i| i as u8).collect();
    let said = feed(&mut home.command(["run", "--", "cat"]), &bytes);
    assert!(said.succeeds().stdout == bytes);
}

#[test]
fn arguments_behind_the_dashes_are_the_programs() {
    let home = home();
    let said = run(&home, &[], &["printf", "%s|", "--json", "-q", "", "a b"]);
    assert_eq!(said.succeeds().text(), "--json|-q||a b|");
}

#[test]
fn a_locked_vault_starts_nothing() {
    let home = home();
    std::fs::remove_dir_all(home.path().join(".local/state")).unwrap();
    run(&home, &[], &["touch", "started"]).fails(5, &["cannot unlock"]);
    assert!(!home.path().join("started").exists());
}

#[test]
fn without_a_vault_the_program_runs_with_a_warning() {
    let home = Home::new();
    run(&home, &[], &["true"]).fails(0, &["warning: there is no vault yet: the program gets no secrets"]);
    assert!(!home.vault().exists());
}

const KEY: &str = "kwk1_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh-gfp9k";

#[test]
fn the_descriptor_of_the_key_does_not_reach_the_program() {
    let home = Home::new();
    home.command(["put", "A", "value"]).env("KEYWARD_VAULT_KEY", KEY).output().unwrap();
    home.write("key", KEY);
    let list = "run -- ls /proc/self/fd";
    let without = home.bash(&format!("KEYWARD_VAULT_KEY={KEY} $KEYWARD {list}"));
    for line in [
        format!("$KEYWARD --key-fd 3 {list} 3< key"),
        format!("$KEYWARD --key-fd 3 {list} 3<<< {KEY}"),
        format!("$KEYWARD --key-fd 0 {list} < key"),
        // A descriptor without a key is none of keyward's, and one that is not open no matter.
        format!("KEYWARD_VAULT_KEY={KEY} $KEYWARD --key-fd 77 {list}"),
    ] {
        let said = home.bash(&line);
        assert_eq!(said.succeeds().text(), without.succeeds().text(), "{line}");
    }
    let read = home.bash("$KEYWARD --key-fd 0 run -- sh -c 'cat; readlink /proc/self/fd/0' < key");
    assert_eq!(read.succeeds().text(), "/dev/null\n");
    // Where the key is not in it, a descriptor reaches the program, as that of a job server has to.
    let given = home.bash(&format!("KEYWARD_VAULT_KEY={KEY} $KEYWARD run -- cat /proc/self/fd/3 3< key"));
    assert_eq!(given.succeeds().text(), KEY);
}
