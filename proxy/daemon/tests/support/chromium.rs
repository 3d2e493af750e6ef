//! A headless Chromium, driven as a person would drive it (the DevTools protocol over a pipe).

use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::{Duration, Instant},
};

/// The longest that a page may take; far more than it does.
const PATIENCE: Duration = Duration::from_secs(60);

/// How every one is started: without a window, and without a word to anybody.
const FLAGS: [&str; 5] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
];

/// What the document at an address is once its scripts have run for so long (in virtual milliseconds).
///
/// # Panics
/// When the page complains of anything.
pub fn drawn(profile: &Path, url: &str, for_ms: u32) -> String {
    let output = Command::new("chromium")
        .args(FLAGS)
        .arg("--enable-logging=stderr")
        .arg(format!("--virtual-time-budget={for_ms}"))
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg("--dump-dom")
        .arg(url)
        .output()
        .expect("chromium: packaging/dev/install.sh test");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    for fault in ["Content Security Policy", "Uncaught", "SyntaxError"] {
        assert!(!said.contains(fault), "{url}: {said}");
    }
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A browser with one page; killed when dropped.
pub struct Browser {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    session: Option<String>,
    last: u64,
    /// What the page complained of.
    pub complaints: Vec<String>,
}

impl Browser {
    /// Starts one with its profile in this directory.
    ///
    /// # Panics
    /// When it is not installed.
    pub fn start(profile: &Path) -> Self {
        // The protocol is on descriptors 3 and 4: a shell puts ours there.
        let script = "exec chromium \"$@\" 3<&0 4>&1 0</dev/null 1>/dev/null 2>/dev/null";
        let mut child = Command::new("sh")
            .args(["-c", script, "sh"])
            .args(FLAGS)
            .args(["--hide-scrollbars", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", profile.display()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("sh");
        let (to, from) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut browser = Self {
            child,
            to,
            from: BufReader::new(from),
            session: None,
            last: 0,
            complaints: Vec::new(),
        };
        let page = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": page["targetId"], "flatten": true });
        let attached = browser.call("Target.attachToTarget", attach);
        browser.session = Some(attached["sessionId"].as_str().unwrap().to_owned());
        for domain in ["Page.enable", "Runtime.enable", "Log.enable"] {
            browser.call(domain, json!({}));
        }
        browser
    }

    /// Calls a method and waits for its result; what the page complains of meanwhile is kept.
    pub fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.last += 1;
        let mut call = json!({ "id": self.last, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            call["sessionId"] = session.as_str().into();
        }
        self.to.write_all(format!("{call}\0").as_bytes()).unwrap();
        loop {
            let mut bytes = Vec::new();
            self.from.read_until(0, &mut bytes).unwrap();
            assert!(
                bytes.pop() == Some(0),
                "chromium ended: packaging/dev/install.sh test"
            );
            let said: Value = serde_json::from_slice(&bytes).unwrap();
            if said["id"] == self.last {
                assert!(said.get("error").is_none(), "{method}: {said}");
                return said["result"].clone();
            }
            self.note(&said);
        }
    }

    fn note(&mut self, said: &Value) {
        let event = &said["params"];
        let text = match said["method"].as_str().unwrap_or_default() {
            "Runtime.exceptionThrown" => event["exceptionDetails"].to_string(),
            "Log.entryAdded" if event["entry"]["source"] == "security" => {
                event["entry"].to_string()
            }
            _ => return,
        };
        self.complaints.push(text);
    }

    /// What an expression comes to.
    pub fn value(&mut self, expression: &str) -> Value {
        let parameters =
            json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let said = self.call("Runtime.evaluate", parameters);
        assert!(
            said.get("exceptionDetails").is_none(),
            "{expression}: {said}"
        );
        said["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    pub fn until(&mut self, expression: &str) {
        let end = Instant::now() + PATIENCE;
        while self.value(&format!("Boolean({expression})")) != true {
            if Instant::now() > end {
                let page = self.value("document.body.innerText");
                panic!("waited in vain: {expression}\n{page}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Goes to an address.
    pub fn go(&mut self, url: &str) {
        self.call("Page.navigate", json!({ "url": url }));
        self.until("document.readyState === 'complete'");
    }

    /// Texts that stand out less than 4.5 to 1 from what is behind them (WCAG 2.1, 1.4.3), of all that are shown.
    pub fn faint(&mut self) -> Vec<Value> {
        let found = self.value(CONTRAST);
        found.as_array().cloned().expect("a list")
    }

    /// How wide and high the window is, and whether it is dark where the person sits.
    pub fn window(&mut self, width: u32, height: u32, dark: bool) {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500 });
        self.call("Emulation.setDeviceMetricsOverride", metrics);
        let scheme = if dark { "dark" } else { "light" };
        let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.call("Emulation.setEmulatedMedia", media);
    }

    /// Presses a key.
    pub fn press(&mut self, key: &str) {
        let (code, number, text) = match key {
            "Enter" => ("Enter", 13, "\r"),
            "Tab" => ("Tab", 9, ""),
            other => (other, 0, ""),
        };
        let mut down =
            json!({ "type": "keyDown", "key": key, "code": code, "windowsVirtualKeyCode": number });
        if !text.is_empty() {
            down["text"] = text.into();
        }
        self.call("Input.dispatchKeyEvent", down);
        let up =
            json!({ "type": "keyUp", "key": key, "code": code, "windowsVirtualKeyCode": number });
        self.call("Input.dispatchKeyEvent", up);
    }

    /// Types a text where the caret is.
    pub fn type_text(&mut self, text: &str) {
        self.call("Input.insertText", json!({ "text": text }));
    }

    /// Clicks in the middle of what an expression gives.
    pub fn click(&mut self, element: &str) {
        self.until(element);
        let place = self.value(&format!(
            "(e => {{ e.scrollIntoView({{ block: 'center' }}); const r = e.getBoundingClientRect(); \
             return [r.x + r.width / 2, r.y + r.height / 2]; }})({element})"
        ));
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({ "type": kind, "x": place[0], "y": place[1], "button": "left", "clickCount": 1 });
            self.call("Input.dispatchMouseEvent", event);
        }
    }

    /// A picture, for people: into the directory that SEAWALL_SHOTS names.
    pub fn shot(&mut self, name: &str) {
        let Some(directory) = std::env::var_os("SEAWALL_SHOTS") else {
            return;
        };
        let said = self.call("Page.captureScreenshot", json!({ "format": "png" }));
        let path = Path::new(&directory).join(format!("{name}.png"));
        let mut decode = Command::new("base64")
            .arg("-d")
            .stdin(Stdio::piped())
            .stdout(std::fs::File::create(path).unwrap())
            .spawn()
            .unwrap();
        let data = said["data"].as_str().unwrap();
        decode
            .stdin
            .take()
            .unwrap()
            .write_all(data.as_bytes())
            .unwrap();
        decode.wait().unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// See [`Browser::faint`].
const CONTRAST: &str = r"(() => {
  const paint = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const channels = colour => { paint.clearRect(0, 0, 1, 1); paint.fillStyle = colour; paint.fillRect(0, 0, 1, 1); return [...paint.getImageData(0, 0, 1, 1).data]; };
  const light = c => { const [r, g, b] = c.map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const ground = e => { for (; e; e = e.parentElement) { const c = channels(getComputedStyle(e).backgroundColor); if (c[3] > 250) return c; } return [255, 255, 255, 255]; };
  const found = [];
  for (const e of document.querySelectorAll('body *')) {
    const own = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
    if (!own || !e.checkVisibility() || e.disabled) continue;
    const [a, b] = [light(channels(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) found.push(e.tagName + ' ' + e.textContent.slice(0, 30) + ' ' + ratio.toFixed(2));
  }
  return found;
})()";
