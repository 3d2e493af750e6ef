use super::*;
use crate::cli::archive::tar::Writer;

fn member(name: &str, bytes: &[u8]) -> Member {
    Member {
        name: name.into(),
        mode: 0o640,
        owner: (0, 0),
        changed_s: 0,
        bytes: bytes.to_vec(),
    }
}

struct Scene {
    directory: tempfile::TempDir,
}

impl Scene {
    fn new(members: &[Member]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("etc")).unwrap();
        let about = About {
            format: FORMAT,
            version: "test".into(),
            made_s: 0,
            config: "/etc/seawall/seawall.yaml".into(),
            state: directory.path().join("var"),
            sockets: Vec::new(),
        };
        let scene = Self { directory };
        let mut writer = Writer::new(File::create(scene.path("a.tar")).unwrap());
        let about = serde_json::to_vec(&about).unwrap();
        writer.add(&member(ABOUT, &about)).unwrap();
        members.iter().for_each(|m| writer.add(m).unwrap());
        writer.finish().unwrap();
        scene
    }

    fn whole() -> Self {
        Self::new(&[
            member("config/seawall.yaml", b"version: 1\n"),
            member("config/keys/tokens", b"t"),
            member("state/audit.log", b"a"),
            member("state/acme/x/key.pem", b"k"),
        ])
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn target(&self, replace: bool) -> Target {
        Target {
            config: self.path("etc/seawall.yaml"),
            state: None,
            replace,
        }
    }

    fn read(&self, name: &str) -> Option<String> {
        fs::read_to_string(self.path(name)).ok()
    }

    fn is_whole(&self) -> bool {
        self.read("etc/seawall.yaml").as_deref() == Some("version: 1\n")
            && self.read("etc/keys/tokens").as_deref() == Some("t")
            && self.read("var/audit.log").as_deref() == Some("a")
            && self.read("var/acme/x/key.pem").as_deref() == Some("k")
            && !self.path("etc/.seawall-restore").exists()
            && !self.path("etc/.seawall-restore.json").exists()
            && !self.path("var.seawall-restore").exists()
    }
}

#[test]
fn an_archive_is_put_back_with_its_permissions() {
    let scene = Scene::whole();
    let done = restore(&scene.path("a.tar"), &scene.target(false)).unwrap();
    assert_eq!(done.files, 4);
    assert!(scene.is_whole());
    let mode = |name: &str| scene.path(name).metadata().unwrap().mode() & 0o777;
    assert_eq!(
        (mode("var/audit.log"), mode("var"), mode("var/acme")),
        (0o640, 0o700, 0o700)
    );
    // The same once more is foreign to nobody but the state directory, which is not empty now.
    let again = restore(&scene.path("a.tar"), &scene.target(false));
    assert!(again.err().unwrap().to_string().contains("--replace"));
}

#[test]
fn what_is_somebody_elses_stays_unless_it_is_to_make_room() {
    let scene = Scene::whole();
    fs::write(scene.path("etc/seawall.yaml"), "mine").unwrap();
    let refused = restore(&scene.path("a.tar"), &scene.target(false));
    assert!(refused.err().unwrap().to_string().contains("--replace"));
    assert_eq!(scene.read("etc/seawall.yaml").as_deref(), Some("mine"));
    assert!(!scene.path("var").exists() && !scene.path("etc/.seawall-restore").exists());
    fs::create_dir(scene.path("var")).unwrap();
    fs::write(scene.path("var/old"), "old").unwrap();
    restore(&scene.path("a.tar"), &scene.target(true)).unwrap();
    assert!(scene.is_whole() && !scene.path("var/old").exists());
    assert_eq!(
        scene.read("etc/seawall.yaml.before-restore").as_deref(),
        Some("mine")
    );
    assert_eq!(scene.read("var.before-restore/old").as_deref(), Some("old"));
}

#[test]
fn a_crash_leaves_all_or_nothing() {
    // Before the deed: nothing has happened, and the next try sweeps.
    let scene = Scene::whole();
    drop(prepare(&scene.path("a.tar"), &scene.target(false)).unwrap());
    assert!(!scene.path("etc/seawall.yaml").exists() && !scene.path("var").exists());
    assert!(!carry_out(&scene.path("etc/seawall.yaml"), usize::MAX).unwrap());
    restore(&scene.path("a.tar"), &scene.target(false)).unwrap();
    assert!(scene.is_whole());
    // After it, wherever it stops: whoever comes next ends it.
    for steps in 0..3 {
        for there in [false, true] {
            let scene = Scene::whole();
            if there {
                fs::create_dir(scene.path("var")).unwrap();
                fs::write(scene.path("var/old"), "old").unwrap();
            }
            let (deed, _) = prepare(&scene.path("a.tar"), &scene.target(there)).unwrap();
            let config = scene.path("etc/seawall.yaml");
            write_deed(&deed_path(&config), &deed).unwrap();
            assert!(carry_out(&config, steps).unwrap());
            assert!(carry_out(&config, usize::MAX).unwrap());
            assert!(scene.is_whole(), "after {steps} renames");
        }
    }
}

#[test]
fn a_damaged_or_hostile_archive_changes_nothing() {
    let hostile = [
        Scene::new(&[member("config/../../x", b"x")]),
        Scene::new(&[member("elsewhere/x", b"x")]),
        Scene::new(&[member("state/../x", b"x")]),
    ];
    for scene in &hostile {
        assert!(restore(&scene.path("a.tar"), &scene.target(true)).is_err());
        assert!(!scene.path("var").exists() && !scene.path("x").exists());
    }
    let scene = Scene::whole();
    let mut bytes = fs::read(scene.path("a.tar")).unwrap();
    let at = bytes.len() / 2;
    bytes[at] ^= 1;
    fs::write(scene.path("a.tar"), &bytes).unwrap();
    assert!(restore(&scene.path("a.tar"), &scene.target(true)).is_err());
    bytes.truncate(700);
    fs::write(scene.path("a.tar"), &bytes).unwrap();
    assert!(restore(&scene.path("a.tar"), &scene.target(true)).is_err());
    fs::write(scene.path("a.tar"), "no tar").unwrap();
    assert!(restore(&scene.path("a.tar"), &scene.target(true)).is_err());
    assert!(!scene.path("var").exists() && !scene.path("etc/seawall.yaml").exists());
}

#[test]
fn a_file_twice_is_refused() {
    let scene = Scene::new(&[member("state/a", b"1"), member("state/a", b"2")]);
    assert!(restore(&scene.path("a.tar"), &scene.target(false)).is_err());
    assert!(!scene.path("var").exists());
}
