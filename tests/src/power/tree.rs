//! The pure part: a tree of files that knows what is durable. It must not know FUSE.

use std::collections::{BTreeMap, HashMap};
use std::ffi::{OsStr, OsString};

use nix::errno::Errno;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::fault::DiskFault;
use super::file::File;

/// Names a file or directory.
pub(super) type Inode = u64;
/// The root directory.
pub(super) const ROOT: Inode = 1;

type Entries = BTreeMap<OsString, Inode>;

#[derive(Debug, Default)]
struct Directory {
    seen: Entries,
    durable: Entries,
}

#[derive(Debug)]
enum Node {
    File(File),
    /// Its bytes are the kernel's.
    Socket,
    Directory(Directory),
}

/// One write in so many is followed by a moment at which the system writes some dirty sectors back by itself.
const WRITES_A_WRITE_BACK: u32 = 8;

/// A tree of files in two versions: as seen, and as a power cut would leave it.
#[derive(Debug)]
pub struct Tree {
    nodes: HashMap<Inode, Node>,
    next: Inode,
    syncs: u64,
    written_bytes: u64,
    fault: DiskFault,
    /// Where there is one, sectors arrive on their own, and a cut tears.
    chance: Option<StdRng>,
}

impl Default for Tree {
    fn default() -> Self {
        Self {
            nodes: HashMap::from([(ROOT, Node::Directory(Directory::default()))]),
            next: ROOT + 1,
            syncs: 0,
            written_bytes: 0,
            fault: DiskFault::None,
            chance: None,
        }
    }
}

impl Tree {
    /// Lets some sectors of what was not synced arrive nevertheless, out of order, and tears writes at a power cut: each
    /// sector of 512 bytes that was not synced is there or not. A disk does both.
    pub fn tear_writes(&mut self, seed: u64) {
        self.chance = Some(StdRng::seed_from_u64(seed));
    }

    /// Sets what is wrong with the disk from now on.
    pub fn set_fault(&mut self, fault: DiskFault) {
        self.fault = fault;
    }

    /// Returns what is wrong with the disk.
    #[must_use]
    pub fn fault(&self) -> DiskFault {
        self.fault
    }

    /// Forgets what was not synced, as a disk does when its power fails; whatever was wrong with it has passed.
    pub fn cut_power(&mut self) {
        self.fault = DiskFault::None;
        if let Some(chance) = &mut self.chance {
            // A journal commits names by itself now and then: all of them up to a moment, or none.
            let names_arrive = chance.random();
            for node in self.nodes.values_mut() {
                match node {
                    Node::Socket => {}
                    Node::File(file) => file.tear(chance),
                    Node::Directory(directory) if names_arrive => {
                        directory.durable.clone_from(&directory.seen)
                    }
                    Node::Directory(_) => {}
                }
            }
        }
        let mut reachable = vec![ROOT];
        let mut kept = HashMap::new();
        while let Some(inode) = reachable.pop() {
            // A file with two durable names is met twice.
            let Some(mut node) = self.nodes.remove(&inode) else { continue };
            match &mut node {
                Node::Socket => {}
                Node::File(file) => file.forget(),
                Node::Directory(directory) => {
                    directory.seen.clone_from(&directory.durable);
                    reachable.extend(directory.seen.values());
                }
            }
            kept.insert(inode, node);
        }
        self.nodes = kept;
    }

    /// Returns how many syncs reached the disk.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.syncs
    }

    /// Returns how many bytes programs wrote.
    #[must_use]
    pub fn written_bytes(&self) -> u64 {
        self.written_bytes
    }

    /// Finds a name in a directory.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`.
    pub fn lookup(&self, parent: Inode, name: &OsStr) -> Result<Inode, Errno> {
        self.directory(parent)?.seen.get(name).copied().ok_or(Errno::ENOENT)
    }

    /// Makes an empty file.
    ///
    /// # Errors
    /// `EEXIST`, `ENOENT`, `ENOTDIR`, or the disk's fault.
    pub fn create_file(&mut self, parent: Inode, name: &OsStr) -> Result<Inode, Errno> {
        self.add(parent, name, Node::File(File::default()))
    }

    /// Makes an empty directory.
    ///
    /// # Errors
    /// `EEXIST`, `ENOENT`, `ENOTDIR`, or the disk's fault.
    pub fn create_directory(&mut self, parent: Inode, name: &OsStr) -> Result<Inode, Errno> {
        self.add(parent, name, Node::Directory(Directory::default()))
    }

    /// Makes a socket.
    ///
    /// # Errors
    /// `EEXIST`, `ENOENT`, `ENOTDIR`, or the disk's fault.
    pub fn create_socket(&mut self, parent: Inode, name: &OsStr) -> Result<Inode, Errno> {
        self.add(parent, name, Node::Socket)
    }

    /// Tells whether an inode is a socket.
    #[must_use]
    pub fn is_socket(&self, inode: Inode) -> bool {
        matches!(self.nodes.get(&inode), Some(Node::Socket))
    }

    /// Removes a name. What it named stays: an open handle may use it, a power cut may bring the name back.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`, or the disk's fault.
    pub fn remove(&mut self, parent: Inode, name: &OsStr) -> Result<(), Errno> {
        self.fault.of_removals()?;
        self.directory_mut(parent)?.seen.remove(name).map(drop).ok_or(Errno::ENOENT)
    }

    /// Moves a name, over another one where there is one.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`, or the disk's fault.
    pub fn rename(&mut self, from: (Inode, &OsStr), to: (Inode, &OsStr)) -> Result<(), Errno> {
        self.fault.of_removals()?;
        self.directory(to.0)?;
        let inode = self.directory_mut(from.0)?.seen.remove(from.1).ok_or(Errno::ENOENT)?;
        self.directory_mut(to.0)?.seen.insert(to.1.to_owned(), inode);
        Ok(())
    }

    /// Lists a directory: name, inode, and whether it is a directory.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`.
    pub fn list(&self, inode: Inode) -> Result<Vec<(OsString, Inode, bool)>, Errno> {
        let entries = &self.directory(inode)?.seen;
        Ok(entries.iter().map(|(name, inode)| (name.clone(), *inode, self.is_directory(*inode))).collect())
    }

    /// Tells whether an inode is a directory.
    #[must_use]
    pub fn is_directory(&self, inode: Inode) -> bool {
        matches!(self.nodes.get(&inode), Some(Node::Directory(_)))
    }

    /// Returns a file's length; 0 for a directory.
    ///
    /// # Errors
    /// `ENOENT`.
    pub fn len(&self, inode: Inode) -> Result<usize, Errno> {
        match self.nodes.get(&inode) {
            Some(Node::File(file)) => Ok(file.len()),
            Some(Node::Directory(_) | Node::Socket) => Ok(0),
            None => Err(Errno::ENOENT),
        }
    }

    /// Reads up to `size` bytes, as from the disk: pages whose sync failed show what the disk has. A kernel that still
    /// has them in its cache does not ask.
    ///
    /// # Errors
    /// `ENOENT`, `EISDIR`.
    pub fn read(&mut self, inode: Inode, offset: usize, size: usize) -> Result<&[u8], Errno> {
        let Some(Node::File(file)) = self.nodes.get_mut(&inode) else { return Err(Errno::EISDIR) };
        Ok(file.read(offset, size))
    }

    /// Writes bytes, growing the file as needed.
    ///
    /// # Errors
    /// `ENOENT`, `EISDIR`, or the disk's fault.
    pub fn write(&mut self, inode: Inode, offset: usize, bytes: &[u8]) -> Result<(), Errno> {
        let fault = self.fault;
        let file = self.file_mut(inode)?;
        fault.of_bytes(offset + bytes.len() > file.len())?;
        file.write(offset, bytes);
        self.written_bytes += bytes.len() as u64;
        if let (Some(chance), Some(Node::File(file))) = (&mut self.chance, self.nodes.get_mut(&inode))
            && chance.random_ratio(1, WRITES_A_WRITE_BACK)
        {
            file.write_back(chance);
        }
        Ok(())
    }

    /// Cuts a file or fills it up with zeros.
    ///
    /// # Errors
    /// `ENOENT`, `EISDIR`, or the disk's fault.
    pub fn set_len(&mut self, inode: Inode, len: usize) -> Result<(), Errno> {
        let fault = self.fault;
        let file = self.file_mut(inode)?;
        fault.of_bytes(len > file.len())?;
        file.resize(len);
        Ok(())
    }

    /// Makes what is seen of a file or directory durable; the names of a directory, not what they name. After a failure
    /// the file counts as clean, as Linux has it: the next sync succeeds, and what the failed one held is not there.
    ///
    /// # Errors
    /// `ENOENT`, or the disk's fault.
    pub fn sync(&mut self, inode: Inode) -> Result<(), Errno> {
        self.syncs += 1;
        let fault = self.fault;
        match self.nodes.get_mut(&inode).ok_or(Errno::ENOENT)? {
            Node::File(file) if !file.is_clean() => {
                fault.of_syncs().inspect_err(|_| file.fail_sync())?;
                file.sync();
            }
            Node::File(_) | Node::Socket => {}
            Node::Directory(directory) => {
                fault.of_syncs()?;
                directory.durable.clone_from(&directory.seen);
            }
        }
        Ok(())
    }

    fn add(&mut self, parent: Inode, name: &OsStr, node: Node) -> Result<Inode, Errno> {
        self.fault.of_names()?;
        let inode = self.next;
        let entries = &mut self.directory_mut(parent)?.seen;
        if entries.contains_key(name) {
            return Err(Errno::EEXIST);
        }
        entries.insert(name.to_owned(), inode);
        self.nodes.insert(inode, node);
        self.next += 1;
        Ok(inode)
    }

    fn directory(&self, inode: Inode) -> Result<&Directory, Errno> {
        match self.nodes.get(&inode) {
            Some(Node::Directory(directory)) => Ok(directory),
            Some(_) => Err(Errno::ENOTDIR),
            None => Err(Errno::ENOENT),
        }
    }

    fn directory_mut(&mut self, inode: Inode) -> Result<&mut Directory, Errno> {
        match self.nodes.get_mut(&inode) {
            Some(Node::Directory(directory)) => Ok(directory),
            Some(_) => Err(Errno::ENOTDIR),
            None => Err(Errno::ENOENT),
        }
    }

    fn file_mut(&mut self, inode: Inode) -> Result<&mut File, Errno> {
        match self.nodes.get_mut(&inode) {
            Some(Node::File(file)) => Ok(file),
            Some(_) => Err(Errno::EISDIR),
            None => Err(Errno::ENOENT),
        }
    }
}
