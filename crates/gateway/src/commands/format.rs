//! How a file of rows is written.

use std::path::Path;

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    /// A JSON object a line.
    Ndjson,
    /// With a header line (RFC 4180).
    Csv,
}

impl Format {
    /// What was said, or what the file's name says.
    pub(crate) fn of(path: &Path, said: Option<Format>) -> anyhow::Result<Format> {
        let extension = path.extension().and_then(|extension| extension.to_str());
        match (said, extension) {
            (Some(format), _) => Ok(format),
            (None, Some("csv")) => Ok(Format::Csv),
            (None, Some("ndjson" | "jsonl")) => Ok(Format::Ndjson),
            (None, _) => anyhow::bail!(
                "how {} is written is not plain from its name; say --format ndjson or --format csv",
                path.display()
            ),
        }
    }
}
