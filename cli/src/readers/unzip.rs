//! Zip archives that may be damaged, or say that they hold more than anybody wants to unpack.

use std::io::{Cursor, Read};

use zip::{CompressionMethod, ZipArchive};

use super::fault::Fault;

/// Bytes of a record that is unpacked: at most so many, or where that is more so many times those of the file.
const MOST: u64 = 256 << 20;
const TIMES: u64 = 16;

/// An archive in memory.
pub struct Archive<'a> {
    zip: ZipArchive<Cursor<&'a [u8]>>,
    /// Bytes of the file.
    pub length: u64,
}

impl<'a> Archive<'a> {
    /// Reads the list of records.
    pub fn new(bytes: &'a [u8]) -> Result<Self, Fault> {
        let zip = ZipArchive::new(Cursor::new(bytes));
        let zip = zip.map_err(|error| Fault::new(format!("is a damaged zip archive: {error}")))?;
        Ok(Archive { zip, length: bytes.len() as u64 })
    }

    /// The records.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.zip.file_names()
    }

    /// A record, and how many bytes it says that it has.
    pub fn open(&mut self, name: &str) -> Result<(impl Read + '_, u64), Fault> {
        let most = MOST.max(TIMES.saturating_mul(self.length));
        let file = self.zip.by_name(name);
        let file = file.map_err(|error| Fault::new(format!("cannot be unpacked: {error}")))?;
        let size = file.size();
        if size > most {
            return Err(Fault::new(format!("unpacks to {size} bytes, more than {most}")));
        }
        Ok((file, size))
    }

    /// The bytes of a record that is not packed and has at most `left`.
    pub fn stored(&mut self, name: &str, left: u64) -> Result<Vec<u8>, Fault> {
        let file = self.zip.by_name(name);
        let file = file.map_err(|error| Fault::new(format!("cannot be read: {error}")))?;
        if file.compression() != CompressionMethod::Stored {
            return Err(Fault::new("is compressed, which torch.save does not"));
        }
        let size = file.size();
        if size > left {
            return Err(Fault::new("is longer than what the file has left for it"));
        }
        let mut bytes = Vec::new();
        let read = file.take(size + 1).read_to_end(&mut bytes); // one more: its sum is looked at when it ends
        read.map_err(|error| Fault::new(format!("cannot be read: {error}")))?;
        match bytes.len() as u64 == size {
            true => Ok(bytes),
            false => Err(Fault::new(format!("has {} of {size} bytes", bytes.len()))),
        }
    }
}
