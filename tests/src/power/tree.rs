//! The pure part: a tree of files that knows what is durable. It must not know FUSE.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};

use nix::errno::Errno;

/// Names a file or directory.
pub(super) type Inode = u64;
/// The root directory.
pub(super) const ROOT: Inode = 1;

/// A dirty page's size: what `fsync` copies.
const PAGE: usize = 4096;

type Entries = BTreeMap<OsString, Inode>;

#[derive(Debug, Default)]
struct File {
    seen: Vec<u8>,
    durable: Vec<u8>,
    dirty_pages: BTreeSet<usize>,
}

#[derive(Debug, Default)]
struct Directory {
    seen: Entries,
    durable: Entries,
}

#[derive(Debug)]
enum Node {
    File(File),
    Directory(Directory),
}

/// A tree of files in two versions: as seen, and as a power cut would leave it.
#[derive(Debug)]
pub struct Tree {
    nodes: HashMap<Inode, Node>,
    next: Inode,
    syncs: u64,
}

impl Default for Tree {
    fn default() -> Self {
        Self {
            nodes: HashMap::from([(ROOT, Node::Directory(Directory::default()))]),
            next: ROOT + 1,
            syncs: 0,
        }
    }
}

impl Tree {
    /// Forgets everything that was not synced, as a disk does when its power fails.
    pub fn cut_power(&mut self) {
        let mut reachable = vec![ROOT];
        let mut kept = HashMap::new();
        while let Some(inode) = reachable.pop() {
            // A file with two durable names is met twice.
            let Some(mut node) = self.nodes.remove(&inode) else { continue };
            match &mut node {
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
    /// `EEXIST`, `ENOENT`, `ENOTDIR`.
    pub fn create_file(&mut self, parent: Inode, name: &OsStr) -> Result<Inode, Errno> {
        self.add(parent, name, Node::File(File::default()))
    }

    /// Makes an empty directory.
    ///
    /// # Errors
    /// `EEXIST`, `ENOENT`, `ENOTDIR`.
    pub fn create_directory(&mut self, parent: Inode, name: &OsStr) -> Result<Inode, Errno> {
        self.add(parent, name, Node::Directory(Directory::default()))
    }

    /// Removes a name. What it named stays: an open handle may use it, a power cut may bring the name back.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`.
    pub fn remove(&mut self, parent: Inode, name: &OsStr) -> Result<(), Errno> {
        self.directory_mut(parent)?.seen.remove(name).map(drop).ok_or(Errno::ENOENT)
    }

    /// Moves a name, over another one where there is one.
    ///
    /// # Errors
    /// `ENOENT`, `ENOTDIR`.
    pub fn rename(&mut self, from: (Inode, &OsStr), to: (Inode, &OsStr)) -> Result<(), Errno> {
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
            Some(Node::File(file)) => Ok(file.seen.len()),
            Some(Node::Directory(_)) => Ok(0),
            None => Err(Errno::ENOENT),
        }
    }

    /// Reads up to `size` bytes.
    ///
    /// # Errors
    /// `ENOENT`, `EISDIR`.
    pub fn read(&self, inode: Inode, offset: usize, size: usize) -> Result<&[u8], Errno> {
        let Some(Node::File(file)) = self.nodes.get(&inode) else { return Err(Errno::EISDIR) };
        let end = offset.saturating_add(size).min(file.seen.len());
        Ok(file.seen.get(offset..end).unwrap_or_default())
    }

    /// Writes bytes, growing the file as needed.
    ///
    /// # Errors
    /// `ENOENT`, `EISDIR`.
    pub fn write(&mut self, inode: Inode, offset: usize, bytes: &[u8]) -> Result<(), Errno> {
        let file = self.file_mut(inode)?;
        let end = offset + bytes.len();
        if file.seen.len() < end {
            file.resize(end);
        }
        file.seen[offset..end].copy_from_slice(bytes);
        file.touch(offset, end);
        Ok(())
    }

    /// Cuts a file or fills it up with zeros.
    ///
    /// # Errors
    /// `ENOENT`, `EISDIR`.
    pub fn set_len(&mut self, inode: Inode, len: usize) -> Result<(), Errno> {
        self.file_mut(inode)?.resize(len);
        Ok(())
    }

    /// Makes what is seen of a file or directory durable; the names of a directory, not what they name.
    ///
    /// # Errors
    /// `ENOENT`.
    pub fn sync(&mut self, inode: Inode) -> Result<(), Errno> {
        self.syncs += 1;
        match self.nodes.get_mut(&inode).ok_or(Errno::ENOENT)? {
            Node::File(file) => file.sync(),
            Node::Directory(directory) => directory.durable.clone_from(&directory.seen),
        }
        Ok(())
    }

    fn add(&mut self, parent: Inode, name: &OsStr, node: Node) -> Result<Inode, Errno> {
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
            Some(Node::File(_)) => Err(Errno::ENOTDIR),
            None => Err(Errno::ENOENT),
        }
    }

    fn directory_mut(&mut self, inode: Inode) -> Result<&mut Directory, Errno> {
        match self.nodes.get_mut(&inode) {
            Some(Node::Directory(directory)) => Ok(directory),
            Some(Node::File(_)) => Err(Errno::ENOTDIR),
            None => Err(Errno::ENOENT),
        }
    }

    fn file_mut(&mut self, inode: Inode) -> Result<&mut File, Errno> {
        match self.nodes.get_mut(&inode) {
            Some(Node::File(file)) => Ok(file),
            Some(Node::Directory(_)) => Err(Errno::EISDIR),
            None => Err(Errno::ENOENT),
        }
    }
}

impl File {
    fn resize(&mut self, len: usize) {
        let (shorter, longer) = (self.seen.len().min(len), self.seen.len().max(len));
        self.seen.resize(len, 0);
        self.touch(shorter, longer);
    }

    fn touch(&mut self, from: usize, to: usize) {
        self.dirty_pages.extend(from / PAGE..to.div_ceil(PAGE));
    }

    fn sync(&mut self) {
        copy_pages(std::mem::take(&mut self.dirty_pages), &self.seen, &mut self.durable);
    }

    fn forget(&mut self) {
        copy_pages(std::mem::take(&mut self.dirty_pages), &self.durable, &mut self.seen);
    }
}

fn copy_pages(pages: BTreeSet<usize>, from: &[u8], to: &mut Vec<u8>) {
    to.resize(from.len(), 0);
    for page in pages {
        let end = ((page + 1) * PAGE).min(from.len());
        if let Some(source) = from.get(page * PAGE..end) {
            to[page * PAGE..end].copy_from_slice(source);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> &OsStr {
        OsStr::new(text)
    }

    #[test]
    fn a_power_cut_takes_back_bytes_that_were_not_synced() {
        let mut tree = Tree::default();
        let file = tree.create_file(ROOT, name("a")).unwrap();
        tree.sync(ROOT).unwrap();
        tree.write(file, 0, b"kept").unwrap();
        tree.sync(file).unwrap();
        tree.write(file, 2, b"lost and longer").unwrap();
        tree.cut_power();
        assert_eq!(tree.read(file, 0, 99).unwrap(), b"kept");
    }

    #[test]
    fn a_name_survives_only_when_its_directory_was_synced() {
        let mut tree = Tree::default();
        let file = tree.create_file(ROOT, name("old")).unwrap();
        tree.sync(file).unwrap();
        tree.sync(ROOT).unwrap();
        tree.rename((ROOT, name("old")), (ROOT, name("new"))).unwrap();
        tree.create_directory(ROOT, name("d")).unwrap();
        tree.cut_power();
        assert_eq!(tree.lookup(ROOT, name("old")), Ok(file));
        assert_eq!(tree.lookup(ROOT, name("new")), Err(Errno::ENOENT));
        assert_eq!(tree.lookup(ROOT, name("d")), Err(Errno::ENOENT));
    }

    #[test]
    fn a_removal_that_was_not_synced_is_undone() {
        let mut tree = Tree::default();
        let file = tree.create_file(ROOT, name("a")).unwrap();
        tree.write(file, 0, &[7; 10_000]).unwrap();
        tree.sync(file).unwrap();
        tree.sync(ROOT).unwrap();
        tree.set_len(file, 5).unwrap();
        tree.remove(ROOT, name("a")).unwrap();
        tree.cut_power();
        assert_eq!(tree.lookup(ROOT, name("a")), Ok(file));
        assert_eq!(tree.read(file, 0, 20_000).unwrap(), &[7; 10_000]);
    }

    #[test]
    fn a_file_cut_and_grown_again_reads_zeros_after_a_sync() {
        let mut tree = Tree::default();
        let file = tree.create_file(ROOT, name("a")).unwrap();
        tree.sync(ROOT).unwrap();
        tree.write(file, 0, &[7; 9000]).unwrap();
        tree.sync(file).unwrap();
        tree.set_len(file, 100).unwrap();
        tree.set_len(file, 9000).unwrap();
        tree.sync(file).unwrap();
        tree.cut_power();
        let bytes = tree.read(file, 0, 9000).unwrap();
        assert!(bytes[..100].iter().all(|byte| *byte == 7) && bytes[100..].iter().all(|byte| *byte == 0));
    }
}
