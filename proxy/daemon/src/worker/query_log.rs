//! Writes the log of DNS queries: a thread that waits for entries, so that no server waits for a disk.

use seawall_dns::{LoggedQuery, QueryLog};
use seawall_edge::log::{Buffering, LogBuffers, LogFile};
use std::{
    io::Write,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};

/// Lines are written when there are so many bytes of them, or after this time.
const HOW: Buffering = Buffering {
    limit: 64 * 1024,
    flush: FLUSH,
    gzip: None,
};
const FLUSH: Duration = Duration::from_secs(1);

/// Where a log is written to, to tell whether another plan means the same.
pub struct QueryLogWriter {
    file: Arc<LogFile>,
    sample: u32,
    /// What servers note into.
    pub log: Arc<QueryLog>,
}

impl QueryLogWriter {
    /// Starts the thread, which ends when nobody notes into the log any more.
    pub fn start(file: Arc<LogFile>, sample: u32) -> std::io::Result<Self> {
        let (log, entries) = QueryLog::new(sample);
        let to = file.clone();
        std::thread::Builder::new()
            .name("dns-log".to_owned())
            .spawn(move || write(&to, &entries))?;
        let log = Arc::new(log);
        Ok(Self { file, sample, log })
    }

    /// Whether it writes there already.
    pub fn is(&self, file: &Arc<LogFile>, sample: u32) -> bool {
        Arc::ptr_eq(&self.file, file) && self.sample == sample
    }
}

fn write(file: &Arc<LogFile>, entries: &Receiver<LoggedQuery>) {
    let buffers = LogBuffers::default();
    loop {
        match entries.recv_timeout(FLUSH) {
            Ok(entry) => buffers.line(file, HOW, |line| {
                // Writing to memory does not fail.
                let _ = write!(line, "{entry}");
            }),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
        buffers.flush(false);
    }
}
