//! The style guide and the architecture, as far as a test can hold them.
//!
//! Each test prints every offence it finds, not only the first.

mod tidy {
    pub(crate) mod edges;
    pub(crate) mod files;
    pub(crate) mod functions;
    pub(crate) mod tree;
    pub(crate) mod words;
}

/// Fails with all `offences`, one a line.
fn none(rule: &str, offences: Vec<String>) {
    assert!(offences.is_empty(), "{rule}:\n  {}", offences.join("\n  "));
}

#[test]
fn dependencies_point_down() {
    none(
        "a crate depends only on crates below it",
        tidy::edges::upward(),
    );
}

#[test]
fn features_and_versions_stand_in_the_workspace_only() {
    none(
        "dependencies are `name.workspace = true`",
        tidy::edges::unpooled(),
    );
}

#[test]
fn every_dependency_says_why() {
    none(
        "a dependency carries its reason in the same line",
        tidy::edges::unreasoned(),
    );
}

#[test]
fn licences_are_known() {
    none(
        "a dependency has a licence that Apache-2.0 can be shipped with",
        tidy::edges::unlicensed(),
    );
}

#[test]
fn modules_open_with_what_they_are() {
    none("a module opens with `//!`", tidy::files::undocumented());
}

#[test]
fn files_are_short() {
    none(
        "no file is longer than 800 lines",
        tidy::files::too_long(800),
    );
}

#[test]
fn functions_fit_a_screen() {
    none(
        "no function is longer than 70 lines",
        tidy::functions::too_long(70),
    );
}

#[test]
fn names_of_files_say_something() {
    none(
        "no mod.rs, util, common, helpers, manager, types",
        tidy::files::badly_named(),
    );
}

#[test]
fn no_test_file_is_forgotten() {
    none(
        "every file under tests/it is a module of its main.rs",
        tidy::files::forgotten(),
    );
}

#[test]
fn only_the_catalog_knows_sql() {
    none(
        "sqlx is used in engine::catalog and vault alone",
        tidy::words::sql(),
    );
}

#[test]
fn only_cli_reads_the_environment() {
    none(
        "std::env and std::process::exit belong to cli and xtask",
        tidy::words::environment(),
    );
}

#[test]
fn unsafe_code_is_in_one_module() {
    none(
        "unsafe code belongs to sources::sys",
        tidy::words::unsafe_code(),
    );
}

#[test]
fn nothing_is_left_for_later() {
    none(
        "what is left for later names its issue, nothing is commented out",
        tidy::words::leftovers(),
    );
}

#[test]
fn architecture_names_tests_that_exist() {
    none(
        "an invariant names a test, and the test exists",
        tidy::words::unheld(),
    );
}

#[test]
fn reliability_names_tests_that_exist() {
    none(
        "what docs/reliability.md says is held by a test is held by one",
        tidy::words::unproved(),
    );
}
