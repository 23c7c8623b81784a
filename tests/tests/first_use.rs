//! The first minutes with keyward.

use keyward_tests::Home;

#[test]
fn a_secret_comes_back_from_a_vault_that_nobody_set_up() {
    let home = Home::new();
    home.put("API_KEY", "s3cret");
    assert_eq!(home.get("API_KEY"), b"s3cret");
}
