//! The demo shop, whole, as `seawall demo` starts it: started for one test and killed with it.

use crate::{eventually, free_address, program};
use std::{
    fs,
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
};

/// A running shop.
pub struct Shop {
    child: Child,
    /// Where its pages are.
    pub web: SocketAddr,
    /// Where its data are, as JSON.
    pub api: SocketAddr,
}

impl Shop {
    /// Starts it in `directory`, and waits until it answers.
    ///
    /// # Panics
    /// When it was not built beside the daemon, or does not answer.
    pub fn start(directory: &Path) -> Self {
        let (web, api, search, worker) = (
            free_address(),
            free_address(),
            free_address(),
            free_address(),
        );
        let output = fs::File::create(directory.join("shop.said")).expect("a file");
        let child = Command::new(program().with_file_name("origin-demo"))
            .arg("all")
            .arg("--state")
            .arg(directory.join("shop"))
            .args(["--products", "40", "--edge-name", "shop.test"])
            .args(["--web", &web.to_string(), "--worker", &worker.to_string()])
            .args(["--api", &format!("http://{api}")])
            .args(["--search", &format!("http://{search}")])
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("a file"))
            .stderr(output)
            .spawn()
            .expect("origin-demo is built beside the daemon");
        let shop = Self { child, web, api };
        for address in [web, api] {
            eventually(&format!("the shop at {address}"), || {
                let mut client = crate::Client::try_connect(address).ok()?;
                client
                    .try_send("GET /ready HTTP/1.1\r\nHost: shop\r\n\r\n")
                    .ok()?;
                let response = client.try_response().ok()?;
                (response.status == 200).then_some(())
            });
        }
        shop
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        // Its processes end with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
