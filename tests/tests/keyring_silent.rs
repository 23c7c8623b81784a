//! A keyring that never answers is given up at the deadline, and keyring services that nobody needs are
//! never asked.

use std::path::PathBuf;

use keyward_tests::keyring::{KeyringHome, PASSWORD};

/// Stops the keyring service, which takes a moment to be there.
const STOP: &str = "until [ -n \"$(daemon)\" ]; do sleep 0.05; done; kill -STOP $(daemon);";

#[test]
fn a_first_put_gives_a_stopped_service_up_and_makes_nothing() {
    let home = KeyringHome::new();
    let script = format!("{STOP} step put put API_KEY <<< s3cret");
    let steps = home.login(PASSWORD, &script);
    steps["put"].fails(5, &["the keyring did not answer within 3 s", "keyward init --source env"]);
    assert_eq!(home.files(), [""; 0].map(PathBuf::from));
}

#[test]
fn a_vault_behind_a_stopped_service_stays_locked_or_opens_by_its_env_slot() {
    let home = KeyringHome::new();
    let script = format!(
        "step put put API_KEY <<< s3cret; step env slot add env; {STOP} step locked get API_KEY
         export KEYWARD_VAULT_KEY=$(cat $steps/env.out); step get get API_KEY"
    );
    let steps = home.login(PASSWORD, &script);
    steps["locked"].fails(5, &["keyring: the keyring did not answer within 3 s"]);
    assert_eq!(steps["get"].succeeds().text(), "s3cret");
}

#[test]
fn a_mute_bus_is_given_up_at_the_deadline() {
    let home = KeyringHome::new();
    let bus = home.mute_bus();
    let steps = home.at_bus(
        Some(&bus),
        "step put put API_KEY <<< s3cret; step init init --source machine; step put2 put A <<< 1",
    );
    steps["put"].fails(5, &["the keyring did not answer within 3 s"]);
    steps["init"].succeeds();
    steps["put2"].succeeds();
}

#[test]
fn commands_that_need_no_keyring_never_connect_to_the_bus() {
    let home = KeyringHome::new();
    let traced = "before='strace -f -qq -e trace=connect,socket -e signal=none -o trace'
        echo OPENAI_API_KEY=x > env
        traced() { local name=$1; step \"$@\"; cp trace $steps/$name-trace.out; echo 0 > $steps/$name-trace.code
            : > $steps/$name-trace.err; }";
    let script = format!(
        "step init init --source machine; step put put API_KEY <<< s3cret
         {traced}
         traced help --help
         traced check creds check --provider openai --secrets-file env --source env,file
         traced get get API_KEY
         traced list list
         traced asked --vault other put A <<< 1"
    );
    let steps = home.login(PASSWORD, &script);
    for name in ["help", "check", "get", "list"] {
        steps[name].succeeds();
        assert_eq!(steps[&*format!("{name}-trace")].text(), "", "{name}");
    }
    // A vault that does ask shows that a connection would have been seen.
    assert!(steps["asked-trace"].text().contains("connect("), "{}", steps["asked"]);
}
