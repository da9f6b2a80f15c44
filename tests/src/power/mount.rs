//! The tree as a mounted file system. It must not decide what is durable.

use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant, SystemTime};

use fuser::{
    BackgroundSession, BsdFileFlags, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags,
    Generation, INodeNo, LockOwner, MountOption, OpenAccMode, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate,
    ReplyData, ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request,
    TimeOrNow, WriteFlags,
};
use nix::errno::Errno as NixErrno;

use super::fault::DiskFault;
use super::tree::{Inode, ROOT, Tree};

/// How long the kernel may keep names and attributes: a mount lasts no longer than one life of a program, and
/// everything goes through it.
const KERNEL_MAY_KEEP: Duration = Duration::from_secs(3600);
/// How long the files of killed programs may be in use after they ended.
const RELEASE_PATIENCE: Duration = Duration::from_secs(10);
const RELEASE_POLL: Duration = Duration::from_millis(5);
/// `fallocate` modes of Linux.
const GROW: i32 = 0;
const KEEP_SIZE: i32 = 1;
const BLOCK: u32 = 4096;
const FREE_BLOCKS: u64 = 1 << 20;

/// Says that the disk cannot be mounted here.
#[derive(Debug)]
pub struct MountError(io::Error);

impl std::fmt::Display for MountError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "no FUSE file system can be mounted here: {}", self.0)
    }
}

/// A disk at a directory of its own.
#[derive(Debug)]
pub struct Disk {
    tree: Arc<Mutex<Tree>>,
    directory: tempfile::TempDir,
    session: Option<BackgroundSession>,
}

impl Disk {
    /// Mounts an empty disk.
    ///
    /// # Errors
    /// Where the machine has no `/dev/fuse`, or the user may not mount.
    pub fn mount() -> Result<Self, MountError> {
        let directory = tempfile::tempdir().map_err(MountError)?;
        let mut disk = Self { tree: Arc::default(), directory, session: None };
        disk.session = Some(disk.start()?);
        Ok(disk)
    }

    /// Returns the directory that the disk is mounted on.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.directory.path().to_owned()
    }

    /// Returns how many syncs reached the disk so far.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        lock(&self.tree).syncs()
    }

    /// Returns how many bytes programs wrote to the disk so far.
    #[must_use]
    pub fn written_bytes(&self) -> u64 {
        lock(&self.tree).written_bytes()
    }

    /// Makes the disk one that tears writes: see [`Tree::tear_writes`].
    pub fn tear_writes(&self, seed: u64) {
        lock(&self.tree).tear_writes(seed);
    }

    /// Sets what is wrong with the disk from now on.
    pub fn set_fault(&self, fault: DiskFault) {
        lock(&self.tree).set_fault(fault);
    }

    /// Cuts the power and mounts what is left of the disk. The programs on it must have been killed before.
    ///
    /// # Errors
    /// When the disk is still in use, or cannot be mounted again.
    pub fn cut_power(&mut self) -> Result<(), MountError> {
        // Unmounting drops the kernel's page cache, which would otherwise remember what the disk forgot.
        self.unmount().map_err(|errno| MountError(errno.into()))?;
        if let Some(session) = self.session.take() {
            session.join().map_err(MountError)?;
        }
        lock(&self.tree).cut_power();
        self.session = Some(self.start()?);
        Ok(())
    }

    /// The kernel may hold the files of a program that was killed for a moment longer than the program.
    fn unmount(&self) -> Result<(), NixErrno> {
        let deadline = Instant::now() + RELEASE_PATIENCE;
        loop {
            match nix::mount::umount(self.mount_point()) {
                Err(NixErrno::EBUSY) if Instant::now() < deadline => std::thread::sleep(RELEASE_POLL),
                outcome => return outcome,
            }
        }
    }

    fn start(&self) -> Result<BackgroundSession, MountError> {
        let mut config = Config::default();
        config.mount_options =
            vec![MountOption::FSName("penstock-power".into()), MountOption::RW, MountOption::NoAtime];
        let mounted = Mounted { tree: Arc::clone(&self.tree), born: SystemTime::now() };
        fuser::spawn_mount(mounted, self.mount_point(), &config).map_err(MountError)
    }

    fn mount_point(&self) -> &Path {
        self.directory.path()
    }
}

fn lock(tree: &Mutex<Tree>) -> MutexGuard<'_, Tree> {
    tree.lock().expect("no operation panics while it holds the tree")
}

struct Mounted {
    tree: Arc<Mutex<Tree>>,
    born: SystemTime,
}

impl Mounted {
    fn attributes(&self, tree: &Tree, inode: Inode) -> Result<FileAttr, Errno> {
        let len = tree.len(inode).map_err(errno)? as u64;
        let directory = tree.is_directory(inode);
        Ok(FileAttr {
            ino: INodeNo(inode),
            size: len,
            blocks: len.div_ceil(512),
            atime: self.born,
            mtime: self.born,
            ctime: self.born,
            crtime: self.born,
            kind: kind_of(tree, inode),
            perm: if directory { 0o755 } else { 0o644 },
            nlink: 1,
            uid: nix::unistd::getuid().as_raw(),
            gid: nix::unistd::getgid().as_raw(),
            rdev: 0,
            blksize: BLOCK,
            flags: 0,
        })
    }
}

fn errno(errno: NixErrno) -> Errno {
    Errno::from_i32(errno as i32)
}

fn kind_of(tree: &Tree, inode: Inode) -> FileType {
    match inode {
        inode if tree.is_directory(inode) => FileType::Directory,
        inode if tree.is_socket(inode) => FileType::Socket,
        _ => FileType::RegularFile,
    }
}

fn answer(reply: ReplyEmpty, result: Result<(), NixErrno>) {
    match result {
        Ok(()) => reply.ok(),
        Err(fault) => reply.error(errno(fault)),
    }
}

impl Filesystem for Mounted {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let tree = lock(&self.tree);
        let found = tree.lookup(parent.0, name).map_err(errno);
        match found.and_then(|inode| self.attributes(&tree, inode)) {
            Ok(attributes) => reply.entry(&KERNEL_MAY_KEEP, &attributes, Generation(0)),
            Err(fault) => reply.error(fault),
        }
    }

    fn getattr(&self, _: &Request, inode: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.attributes(&lock(&self.tree), inode.0) {
            Ok(attributes) => reply.attr(&KERNEL_MAY_KEEP, &attributes),
            Err(fault) => reply.error(fault),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        inode: INodeNo,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let mut tree = lock(&self.tree);
        let resized = size.map_or(Ok(()), |size| tree.set_len(inode.0, as_usize(size))).map_err(errno);
        match resized.and_then(|()| self.attributes(&tree, inode.0)) {
            Ok(attributes) => reply.attr(&KERNEL_MAY_KEEP, &attributes),
            Err(fault) => reply.error(fault),
        }
    }

    fn mkdir(&self, _: &Request, parent: INodeNo, name: &OsStr, _: u32, _: u32, reply: ReplyEntry) {
        let mut tree = lock(&self.tree);
        let made = tree.create_directory(parent.0, name).map_err(errno);
        match made.and_then(|inode| self.attributes(&tree, inode)) {
            Ok(attributes) => reply.entry(&KERNEL_MAY_KEEP, &attributes, Generation(0)),
            Err(fault) => reply.error(fault),
        }
    }

    fn mknod(&self, _: &Request, parent: INodeNo, name: &OsStr, _: u32, _: u32, _: u32, reply: ReplyEntry) {
        // Files come by `create`: only sockets are made so.
        let mut tree = lock(&self.tree);
        let made = tree.create_socket(parent.0, name).map_err(errno);
        match made.and_then(|inode| self.attributes(&tree, inode)) {
            Ok(attributes) => reply.entry(&KERNEL_MAY_KEEP, &attributes, Generation(0)),
            Err(fault) => reply.error(fault),
        }
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        answer(reply, lock(&self.tree).remove(parent.0, name));
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let mut tree = lock(&self.tree);
        let listed = tree.lookup(parent.0, name).and_then(|inode| tree.list(inode));
        answer(
            reply,
            match listed {
                Ok(entries) if entries.is_empty() => tree.remove(parent.0, name),
                Ok(_) => Err(NixErrno::ENOTEMPTY),
                Err(fault) => Err(fault),
            },
        );
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        _: RenameFlags,
        reply: ReplyEmpty,
    ) {
        answer(reply, lock(&self.tree).rename((parent.0, name), (new_parent.0, new_name)));
    }

    fn create(&self, _: &Request, parent: INodeNo, name: &OsStr, _: u32, _: u32, _: i32, reply: ReplyCreate) {
        let mut tree = lock(&self.tree);
        let made = tree.create_file(parent.0, name).map_err(errno);
        match made.and_then(|inode| self.attributes(&tree, inode)) {
            Ok(attributes) => reply.created(
                &KERNEL_MAY_KEEP,
                &attributes,
                Generation(0),
                FileHandle(0),
                FopenFlags::FOPEN_KEEP_CACHE,
            ),
            Err(fault) => reply.error(fault),
        }
    }

    fn open(&self, _: &Request, _: INodeNo, flags: OpenFlags, reply: ReplyOpen) {
        let writes = flags.acc_mode() != OpenAccMode::O_RDONLY;
        match lock(&self.tree).fault() {
            DiskFault::ReadOnly if writes => reply.error(Errno::EROFS),
            // As with a disk, a program that opens a file again sees what the kernel still has of it.
            _ => reply.opened(FileHandle(0), FopenFlags::FOPEN_KEEP_CACHE),
        }
    }

    fn read(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        match lock(&self.tree).read(inode.0, as_usize(offset), as_usize(u64::from(size))) {
            Ok(bytes) => reply.data(bytes),
            Err(fault) => reply.error(errno(fault)),
        }
    }

    fn write(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        offset: u64,
        bytes: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match lock(&self.tree).write(inode.0, as_usize(offset), bytes) {
            Ok(()) => {
                reply.written(u32::try_from(bytes.len()).expect("the kernel writes less than 4 GB at once"))
            }
            Err(fault) => reply.error(errno(fault)),
        }
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsync(&self, _: &Request, inode: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        answer(reply, lock(&self.tree).sync(inode.0));
    }

    fn fsyncdir(&self, _: &Request, inode: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        answer(reply, lock(&self.tree).sync(inode.0));
    }

    fn readdir(&self, _: &Request, inode: INodeNo, _: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let entries = match lock(&self.tree).list(inode.0) {
            Ok(entries) => entries,
            Err(fault) => return reply.error(errno(fault)),
        };
        let dots = [(".".into(), inode.0, true), ("..".into(), ROOT, true)];
        for (index, (name, entry, directory)) in
            dots.into_iter().chain(entries).enumerate().skip(as_usize(offset))
        {
            let kind = if directory { FileType::Directory } else { FileType::RegularFile };
            if reply.add(INodeNo(entry), index as u64 + 1, kind, &name) {
                break;
            }
        }
        reply.ok();
    }

    fn fallocate(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        let mut tree = lock(&self.tree);
        let end = as_usize(offset + length);
        // Where there is room, what is left to do is the file's new length.
        match (mode, tree.len(inode.0)) {
            (GROW, Ok(len)) if len < end => answer(reply, tree.set_len(inode.0, end)),
            (GROW | KEEP_SIZE, result) => answer(reply, result.map(drop)),
            _ => reply.error(Errno::EOPNOTSUPP),
        }
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let free = if lock(&self.tree).fault() == DiskFault::Full { 0 } else { FREE_BLOCKS };
        reply.statfs(FREE_BLOCKS, free, free, 1 << 20, 1 << 20, BLOCK, 255, BLOCK);
    }
}

fn as_usize(number: u64) -> usize {
    usize::try_from(number).expect("tests run on 64-bit machines")
}
