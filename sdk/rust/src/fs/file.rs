// SPDX-License-Identifier: Apache-2.0
//! Open files.

use super::{empty_info, mode_int, FsMetadata, FsSetAttrs, SandboxFs};
use crate::error::{MicrosandboxError, MicrosandboxResult};
use crate::ffi;
use crate::sys;
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;

/// How much streams read ahead, and gather before they write.
const STREAM_BUFFER: usize = 1 << 20;

/// How a file is to be opened, as [`std::fs::OpenOptions`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FsOpenOptions {
    flags: u32,
    mode: Option<u32>,
}

impl FsOpenOptions {
    /// For nothing, yet.
    pub fn new() -> Self {
        Self::default()
    }

    fn flag(mut self, bit: u32, on: bool) -> Self {
        self.flags = if on { self.flags | bit } else { self.flags & !bit };
        self
    }

    /// To be read.
    pub fn read(self, on: bool) -> Self {
        self.flag(sys::MSB_FS_READ, on)
    }

    /// To be written.
    pub fn write(self, on: bool) -> Self {
        self.flag(sys::MSB_FS_WRITE, on)
    }

    /// To be written at its end only.
    pub fn append(self, on: bool) -> Self {
        self.flag(sys::MSB_FS_APPEND, on)
    }

    /// Made when it is missing.
    pub fn create(self, on: bool) -> Self {
        self.flag(sys::MSB_FS_CREATE, on)
    }

    /// It must be missing.
    pub fn create_new(self, on: bool) -> Self {
        self.flag(sys::MSB_FS_CREATE_NEW, on)
    }

    /// What is in it is dropped.
    pub fn truncate(self, on: bool) -> Self {
        self.flag(sys::MSB_FS_TRUNCATE, on)
    }

    /// Permission bits of one that is made.
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = Some(mode);
        self
    }
}

/// An open file. Reads and writes go to the guest one by one, so small ones are
/// better gathered: by [`FsReadStream`], [`FsWriteStream`], or the buffers of
/// [`std::io`].
#[derive(Debug)]
pub struct FsFile {
    fs: SandboxFs,
    handle: Option<u64>,
    position: u64,
}

impl FsFile {
    pub(super) fn open(fs: &SandboxFs, path: &Path, o: FsOpenOptions) -> MicrosandboxResult<Self> {
        let (ptr, path) = (fs.ptr()?, ffi::cstring(path)?);
        let mut handle = 0;
        // SAFETY: all are alive.
        ffi::call(|e| unsafe {
            sys::msb_fs_open(ptr, path.as_ptr(), o.flags, mode_int(o.mode), &mut handle, e)
        })?;
        Ok(FsFile { fs: fs.clone(), handle: Some(handle), position: 0 })
    }

    /// Number of the file in its connection.
    pub fn handle(&self) -> u64 {
        self.handle.unwrap_or(0)
    }

    fn parts(&self) -> MicrosandboxResult<(*mut sys::msb_fs_t, u64)> {
        Ok((self.fs.ptr()?, self.handle()))
    }

    /// Read from a place; fewer bytes than asked for only at the end.
    pub fn read_at(&self, offset: u64, buf: &mut [u8]) -> MicrosandboxResult<usize> {
        let (fs, handle) = self.parts()?;
        // SAFETY: all are alive; at most the length of buf is written.
        let n = ffi::call(|e| unsafe {
            sys::msb_fs_pread(fs, handle, offset, buf.as_mut_ptr().cast(), buf.len(), e)
        })?;
        usize::try_from(n).map_err(|_| MicrosandboxError::protocol("too much was read"))
    }

    /// Write all of it to a place.
    pub fn write_at(&self, offset: u64, data: impl AsRef<[u8]>) -> MicrosandboxResult<()> {
        let (fs, handle) = self.parts()?;
        let data = data.as_ref();
        // SAFETY: all are alive.
        ffi::call(|e| unsafe {
            sys::msb_fs_pwrite(fs, handle, offset, data.as_ptr().cast(), data.len(), e)
        })
        .map(drop)
    }

    /// What is known of it.
    pub fn stat(&self) -> MicrosandboxResult<FsMetadata> {
        let (fs, handle) = self.parts()?;
        let mut info = empty_info();
        // SAFETY: all are alive.
        ffi::call(|e| unsafe { sys::msb_fs_fstat(fs, handle, &mut info, e) })?;
        Ok(FsMetadata::read(&info))
    }

    /// Change what is known of it.
    pub fn set_stat(&self, attrs: &FsSetAttrs) -> MicrosandboxResult<()> {
        let (fs, handle) = self.parts()?;
        let attrs = attrs.raw();
        // SAFETY: all are alive.
        ffi::call(|e| unsafe { sys::msb_fs_fset_stat(fs, handle, &attrs, e) }).map(drop)
    }

    /// Close it. Dropping does this, too, but cannot tell of an error.
    pub fn close(mut self) -> MicrosandboxResult<()> {
        self.end()
    }

    fn end(&mut self) -> MicrosandboxResult<()> {
        let handle = match self.handle.take() {
            Some(handle) => handle,
            None => return Ok(()),
        };
        let fs = self.fs.ptr()?;
        // SAFETY: all are alive.
        ffi::call(|e| unsafe { sys::msb_fs_close(fs, handle, e) }).map(drop)
    }
}

impl Drop for FsFile {
    fn drop(&mut self) {
        let _ = self.end();
    }
}

impl Read for FsFile {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = self.read_at(self.position, buf)?;
        self.position += n as u64;
        Ok(n)
    }
}

impl Write for FsFile {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.write_at(self.position, data)?;
        self.position += data.len() as u64;
        Ok(data.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for FsFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(n) => Some(n),
            SeekFrom::Current(n) => add(self.position, n),
            SeekFrom::End(n) => add(self.stat()?.size, n),
        };
        self.position = position.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}

fn add(base: u64, n: i64) -> Option<u64> {
    if n < 0 {
        base.checked_sub(n.unsigned_abs())
    } else {
        base.checked_add(n as u64)
    }
}

/// A file that is read piece by piece.
#[derive(Debug)]
pub struct FsReadStream(BufReader<FsFile>);

impl FsReadStream {
    pub(super) fn new(file: FsFile) -> Self {
        FsReadStream(BufReader::with_capacity(STREAM_BUFFER, file))
    }

    /// The next piece; `None` at the end.
    pub fn recv(&mut self) -> MicrosandboxResult<Option<Vec<u8>>> {
        let piece = self.0.fill_buf()?.to_vec();
        self.0.consume(piece.len());
        Ok((!piece.is_empty()).then_some(piece))
    }

    /// All that is left.
    pub fn collect(mut self) -> MicrosandboxResult<Vec<u8>> {
        let mut all = Vec::new();
        self.0.read_to_end(&mut all)?;
        Ok(all)
    }
}

impl Read for FsReadStream {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.read(buf)
    }
}

impl BufRead for FsReadStream {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.0.fill_buf()
    }

    fn consume(&mut self, n: usize) {
        self.0.consume(n)
    }
}

/// A file that is written piece by piece. It is complete once
/// [`close`](FsWriteStream::close) has succeeded.
#[derive(Debug)]
pub struct FsWriteStream(BufWriter<FsFile>);

impl FsWriteStream {
    pub(super) fn new(file: FsFile) -> Self {
        FsWriteStream(BufWriter::with_capacity(STREAM_BUFFER, file))
    }

    /// Write what is left, and close the file.
    pub fn close(self) -> MicrosandboxResult<()> {
        let file = self.0.into_inner().map_err(|e| io::Error::from(e.into_error()))?;
        file.close()
    }
}

impl Write for FsWriteStream {
    fn write(&mut self, data: &[u8]) -> io::Result<usize> {
        self.0.write(data)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}
