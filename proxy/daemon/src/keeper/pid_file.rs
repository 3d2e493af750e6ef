//! The pid file: there once the daemon serves, and gone when it has ended.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Why no process could be found through a pid file, in nginx's words.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PidFileError {
    /// It cannot be read: usually the daemon is not running.
    #[error("open() \"{}\" failed ({})", .path.display(), os_text(.source))]
    Open {
        /// The pid file.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// It does not hold a number.
    #[error("invalid PID number \"{text}\" in \"{}\"", .path.display())]
    Invalid {
        /// The pid file.
        path: PathBuf,
        /// What it holds instead.
        text: String,
    },
}

/// `2: No such file or directory`
pub(super) fn os_text(error: &io::Error) -> String {
    let text = error.to_string();
    let words = text.split(" (os error").next().unwrap_or_default();
    format!("{}: {words}", error.raw_os_error().unwrap_or(0))
}

/// The process number in a pid file.
pub fn read_pid(path: &Path) -> Result<u32, PidFileError> {
    let text = fs::read_to_string(path).map_err(|source| PidFileError::Open {
        path: path.to_owned(),
        source,
    })?;
    let text = text.trim();
    match text.parse::<u32>() {
        Ok(pid) if pid > 0 && text.len() <= 10 => Ok(pid),
        _ => Err(PidFileError::Invalid {
            path: path.to_owned(),
            text: text.chars().take(32).collect(),
        }),
    }
}

/// A pid file of ours; removed when dropped, unless it is somebody else's by then.
#[derive(Debug)]
pub struct PidFile {
    path: PathBuf,
}

impl PidFile {
    /// One that another program of this process has written.
    pub fn inherited(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
        }
    }

    /// Writes this process's number.
    pub fn write(path: &Path) -> io::Result<Self> {
        fs::write(path, format!("{}\n", std::process::id()))?;
        Ok(Self {
            path: path.to_owned(),
        })
    }
}

impl Drop for PidFile {
    fn drop(&mut self) {
        if read_pid(&self.path).is_ok_and(|pid| pid == std::process::id()) {
            // Somebody may have been quicker; it is gone either way.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_our_number_and_goes_with_us() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("seawall.pid");
        let file = PidFile::write(&path).unwrap();
        assert_eq!(read_pid(&path).unwrap(), std::process::id());
        drop(file);
        assert!(!path.exists());
    }

    #[test]
    fn a_successors_file_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("seawall.pid");
        let file = PidFile::write(&path).unwrap();
        fs::write(&path, "1\n").unwrap();
        drop(file);
        assert_eq!(read_pid(&path).unwrap(), 1);
    }

    #[test]
    fn errors_read_as_in_nginx() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x.pid");
        let error = read_pid(&path).unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "open() \"{}\" failed (2: No such file or directory)",
                path.display()
            )
        );
        for bad in ["", "0", "-5", "12x", "99999999999"] {
            fs::write(&path, bad).unwrap();
            let error = read_pid(&path).unwrap_err().to_string();
            assert_eq!(
                error,
                format!("invalid PID number \"{bad}\" in \"{}\"", path.display())
            );
        }
    }
}
