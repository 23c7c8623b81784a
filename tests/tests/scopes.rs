//! Tenants and workspaces: who sees which secret.

use keyward_tests::Home;

fn put(home: &Home, value: &str, options: &[&str]) {
    home.run_with_input([&["put", "X"], options].concat(), value).succeeds();
}

fn get(home: &Home, options: &[&str]) -> String {
    let got = home.run([&["get", "X"], options].concat());
    got.succeeds().text()
}

#[test]
fn the_workspace_is_asked_before_its_tenant() {
    let home = Home::new();
    put(&home, "tenant", &["--scope", "tenant"]);
    assert_eq!(get(&home, &[]), "tenant");
    put(&home, "workspace", &[]);
    assert_eq!(get(&home, &[]), "workspace");
    assert_eq!(get(&home, &["--scope", "tenant"]), "tenant");
    assert_eq!(get(&home, &["--scope", "workspace"]), "workspace");
}

#[test]
fn every_workspace_of_a_tenant_sees_the_tenants_secret() {
    let home = Home::new();
    put(&home, "tenant", &["--scope", "tenant"]);
    assert_eq!(get(&home, &["--workspace", "web"]), "tenant");
    home.run(["get", "X", "--workspace", "web", "--scope", "workspace"])
        .fails(4, &["no secret X in workspace web"]);
}

#[test]
fn a_workspace_does_not_see_the_secrets_of_another() {
    let home = Home::new();
    put(&home, "web", &["--workspace", "web"]);
    home.run(["get", "X"]).fails(4, &["no secret X in workspace default or tenant default"]);
    home.run(["get", "X", "--workspace", "api"])
        .fails(4, &["no secret X in workspace api or tenant default"]);
}

#[test]
fn workspaces_of_one_name_in_two_tenants_are_two() {
    let home = Home::new();
    put(&home, "a", &["--tenant", "a", "--workspace", "web"]);
    put(&home, "b", &["--tenant", "b", "--workspace", "web"]);
    assert_eq!(get(&home, &["--tenant", "a", "--workspace", "web"]), "a");
    assert_eq!(get(&home, &["--tenant", "b", "--workspace", "web"]), "b");
}

#[test]
fn the_option_goes_before_the_variable() {
    let home = Home::new().with("KEYWARD_TENANT", "acme").with("KEYWARD_WORKSPACE", "web");
    put(&home, "web of acme", &[]);
    put(&home, "api of acme", &["--workspace", "api"]);
    put(&home, "web of other", &["--tenant", "other"]);
    assert_eq!(get(&home, &["--tenant", "acme", "--workspace", "web"]), "web of acme");
    assert_eq!(get(&home, &["--workspace", "api"]), "api of acme");
    assert_eq!(get(&home, &["--tenant", "other"]), "web of other");
}

#[test]
fn blank_variables_count_as_unset() {
    let home =
        Home::new().with("KEYWARD_TENANT", " ").with("KEYWARD_WORKSPACE", "").with("KEYWARD_VAULT", "");
    put(&home, "default", &[]);
    assert_eq!(get(&home, &["--tenant", "default", "--workspace", "default"]), "default");
    assert!(home.vault().exists());
}

#[test]
fn a_variable_without_a_valid_id_is_refused() {
    for name in ["KEYWARD_TENANT", "KEYWARD_WORKSPACE"] {
        let home = Home::new().with(name, "a/b");
        home.run(["list"]).fails(2, &[&format!("{name} has no valid id"), "an id is 1 to 64"]);
    }
}

#[test]
fn the_active_tenant_is_the_one_in_its_file() {
    let home = Home::new();
    home.write(".local/state/keyward/active-tenant", "acme\n");
    put(&home, "acme", &[]);
    assert_eq!(get(&home, &["--tenant", "acme"]), "acme");
    home.run(["get", "X", "--tenant", "default"]).fails(4, &["no secret X"]);
}

#[test]
fn list_shows_this_place_and_all_shows_every_place() {
    let home = Home::new();
    put(&home, "v", &[]);
    put(&home, "v", &["--scope", "tenant"]);
    put(&home, "v", &["--workspace", "web"]);
    put(&home, "v", &["--tenant", "acme"]);
    let places = |options: &[&str]| {
        let listed = home.run([&["list"], options].concat()).text();
        listed.lines().map(|line| line.split('\t').nth(1).unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(places(&[]), ["workspace default", "tenant default"]);
    assert_eq!(places(&["--scope", "tenant"]), ["tenant default"]);
    assert_eq!(places(&["--workspace", "web", "--scope", "workspace"]), ["workspace web"]);
    assert_eq!(places(&["--all"]).len(), 4);
}

#[test]
fn rm_and_rollback_touch_one_scope_alone() {
    let home = Home::new();
    put(&home, "tenant", &["--scope", "tenant"]);
    home.run(["rm", "X"]).fails(4, &["no secret X in workspace default"]);
    home.run(["rollback", "X", "--to", "1"]).fails(4, &["no secret X in workspace default"]);
    put(&home, "workspace", &[]);
    home.run(["rm", "X"]).succeeds();
    assert_eq!(get(&home, &[]), "tenant");
}
