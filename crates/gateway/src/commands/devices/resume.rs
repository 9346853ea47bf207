//! How far an import came: a file beside its input, so that one that was cut off goes on.

use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use serde::{Deserialize, Serialize};

use super::rows::Place;

/// Everything before the place was taken, or is listed as bad.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Progress {
    bytes: u64,
    lines: u64,
    /// Of the whole input: another size is another file.
    input_bytes: u64,
    /// Where the rows went.
    into: String,
}

pub(super) struct Resume {
    path: PathBuf,
    input: PathBuf,
    input_bytes: u64,
    into: String,
}

impl Resume {
    /// `into` says where the rows go.
    pub(super) fn beside(input: &Path, into: String) -> anyhow::Result<Self> {
        let mut path = input.as_os_str().to_owned();
        path.push(".progress");
        let found = std::fs::metadata(input);
        let found = found.with_context(|| format!("reading {}", input.display()))?;
        Ok(Resume {
            path: path.into(),
            input: input.to_owned(),
            input_bytes: found.len(),
            into,
        })
    }

    /// Where to go on; at the beginning when nothing was begun.
    pub(super) fn place(&self) -> anyhow::Result<Place> {
        let text = match std::fs::read(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Place::default());
            }
            Err(error) => {
                return Err(error).with_context(|| format!("reading {}", self.path.display()));
            }
        };
        let begun = serde_json::from_slice::<Progress>(&text).ok();
        let fits =
            |begun: &Progress| begun.input_bytes == self.input_bytes && begun.into == self.into;
        let begun = begun.filter(fits);
        let begun = begun.with_context(|| {
            format!(
                "{} tells of an import of another file or to another place; --anew begins anew",
                self.path.display()
            )
        })?;
        Ok(Place {
            bytes: begun.bytes,
            lines: begun.lines,
        })
    }

    /// Notes how far it came. It need not be durable: rows taken twice are harmless.
    pub(super) fn note(&self, place: Place) -> anyhow::Result<()> {
        let progress = Progress {
            bytes: place.bytes,
            lines: place.lines,
            input_bytes: self.input_bytes,
            into: self.into.clone(),
        };
        let mut part = self.path.clone().into_os_string();
        part.push(".new");
        let write = || {
            std::fs::write(&part, serde_json::to_vec(&progress)?)?;
            std::fs::rename(&part, &self.path)
        };
        write().with_context(|| format!("writing {}", self.path.display()))
    }

    /// The import is done.
    pub(super) fn forget(&self) -> anyhow::Result<()> {
        match std::fs::remove_file(&self.path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("removing {}", self.path.display()))
            }
            _ => Ok(()),
        }
    }

    /// Whether the file is as it was when the import began.
    pub(super) fn check(&self) -> anyhow::Result<()> {
        let found = std::fs::metadata(&self.input)?;
        ensure!(
            found.len() == self.input_bytes,
            "{} changes while it is read",
            self.input.display()
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_with_the_same_file_to_the_same_place_only() {
        let directory = tempfile::tempdir().unwrap();
        let input = directory.path().join("devices.csv");
        std::fs::write(&input, "0123456789").unwrap();
        let resume = |into: &str| Resume::beside(&input, into.to_owned()).unwrap();
        let shop = resume("shop");
        assert_eq!(shop.place().unwrap(), Place::default());
        let place = Place { bytes: 5, lines: 2 };
        shop.note(place).unwrap();
        assert_eq!(resume("shop").place().unwrap(), place);
        assert!(resume("news").place().is_err());
        std::fs::write(&input, "0123456789a").unwrap();
        assert!(resume("shop").place().is_err() && shop.check().is_err());
        shop.forget().unwrap();
        shop.forget().unwrap();
        assert_eq!(resume("news").place().unwrap(), Place::default());
    }
}
