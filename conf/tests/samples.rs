//! Every sample that is installed as documentation loads without a warning.

use seawall_conf::{LoadOptions, cases::load_cases, load};
use std::path::Path;

#[test]
fn every_sample_loads_without_a_warning() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("samples");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory).expect("samples").flatten() {
        let path = entry.path();
        // Zones lie beside the configurations that name them.
        if !path.extension().is_some_and(|e| e == "yaml" || e == "conf") {
            continue;
        }
        // Tests of a sample are no configuration.
        if path.to_string_lossy().ends_with(".tests.yaml") {
            assert!(load_cases(&path, &LoadOptions::default()).is_ok());
            continue;
        }
        match load(&path, &LoadOptions::default()) {
            Ok((config, warnings)) => {
                let text = warnings.render(&config.sources, false);
                assert!(warnings.is_empty(), "{}: {text}", path.display());
            }
            Err(error) => panic!("{}", error.diagnostics.render(&error.sources, false)),
        }
        names.push(entry.file_name());
    }
    for name in [
        "minimal.yaml",
        "files.yaml",
        "balancer.yaml",
        "balancer-whole.yaml",
        "demo.yaml",
        "tls.yaml",
        "policy.yaml",
        "nginx-proxy.conf",
    ] {
        assert!(names.iter().any(|n| n == name), "{name} is missing");
    }
}
