//! The one transaction of a group: everything that must be true together, and the lease that fences it.

use std::time::{Duration, Instant};

use mongodb::ClientSession;
use mongodb::bson::{Document, RawArrayBuf, RawDocumentBuf};
use mongodb::error::{TRANSIENT_TRANSACTION_ERROR, UNKNOWN_TRANSACTION_COMMIT_RESULT};
use mongodb::options::{ReadConcern, TransactionOptions};

use super::lease_clock::LeaseClock;
use super::{Context, SessionError};
use crate::rollup::Partition;
use crate::store::lease::{self, LeaseEpoch};
use crate::store::{StoreError, majority};

/// Attempts at one transaction before the session gives up and starts over.
const MAX_ATTEMPTS: u32 = 20;
/// Bytes of statements in one command; MongoDB takes 16 MiB.
const COMMAND_BYTES: usize = 8 << 20;
/// Statements in one command; MongoDB takes 100,000.
const COMMAND_STATEMENTS: usize = 10_000;

/// `update` statements, packed into as few commands as MongoDB's limits allow. All are absolute, so that running
/// them twice changes nothing.
#[derive(Debug, Default)]
pub(super) struct Updates {
    commands: Vec<UpdateCommand>,
}

#[derive(Debug)]
struct UpdateCommand {
    collection: &'static str,
    statements: RawArrayBuf,
    count: usize,
    bytes: usize,
}

impl Updates {
    /// Adds a statement; those of one collection that follow each other share commands.
    pub(super) fn add(&mut self, collection: &'static str, statement: RawDocumentBuf) {
        let bytes = statement.as_bytes().len();
        let fits = |command: &UpdateCommand| {
            command.collection == collection
                && command.count < COMMAND_STATEMENTS
                && command.bytes + bytes <= COMMAND_BYTES
        };
        if !self.commands.last().is_some_and(fits) {
            self.commands.push(UpdateCommand {
                collection,
                statements: RawArrayBuf::new(),
                count: 0,
                bytes: 0,
            });
        }
        if let Some(command) = self.commands.last_mut() {
            command.statements.push(statement);
            command.count += 1;
            command.bytes += bytes;
        }
    }

    /// Adds statements that are made as plain documents.
    pub(super) fn extend(
        &mut self,
        collection: &'static str,
        statements: impl IntoIterator<Item = Document>,
    ) -> Result<(), StoreError> {
        for statement in statements {
            let raw = RawDocumentBuf::try_from(&statement)
                .map_err(|error| StoreError::document("building a group's transaction", error))?;
            self.add(collection, raw);
        }
        Ok(())
    }
}

/// Runs the transactions of one session.
pub(super) struct Transactions {
    pub(super) context: Context,
    pub(super) partition: Partition,
    pub(super) lease: LeaseEpoch,
    pub(super) clock: LeaseClock,
    /// The one server session of all transactions, noted in the lease.
    pub(super) session: ClientSession,
}

impl Transactions {
    /// Runs updates and the lease's renewal in one transaction, again and again while the server calls its failure
    /// transient.
    pub(super) async fn run(&mut self, updates: &Updates) -> Result<(), SessionError> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            let sent = Instant::now();
            match self.attempt(updates).await {
                Ok(()) => {
                    self.clock.renewed(sent);
                    return Ok(());
                }
                Err(SessionError::Store(StoreError::Database { source, .. }))
                    if source.contains_label(TRANSIENT_TRANSACTION_ERROR) && attempt < MAX_ATTEMPTS =>
                {
                    tracing::debug!(error = %source, attempt, "transaction to be run again");
                    // The server may have aborted it already, or be away: either way it is over.
                    drop(self.session.abort_transaction().await);
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Ends what may still be open, so that no successor has to.
    pub(super) async fn end(mut self, all_committed: bool) -> Result<(), SessionError> {
        if !all_committed {
            // Whatever state the driver takes it to be in, the server is to let go of it.
            drop(self.session.abort_transaction().await);
            lease::kill_session(&self.context.store, self.session.id()).await?;
        }
        lease::forget_session(&self.context.store, self.partition, self.lease).await?;
        Ok(())
    }

    async fn attempt(&mut self, updates: &Updates) -> Result<(), SessionError> {
        let doing = StoreError::doing("committing a group");
        let options = TransactionOptions::builder()
            .read_concern(ReadConcern::snapshot())
            .write_concern(majority())
            .build();
        self.session.start_transaction().with_options(options).await.map_err(&doing)?;
        let mut renewal = Updates::default();
        renewal.extend(
            lease::COLLECTION,
            [lease::renew(self.partition, self.lease, self.context.options.lease)],
        )?;
        if self.send(&renewal).await? != 1 {
            self.session.abort_transaction().await.map_err(&doing)?;
            return Err(SessionError::Fenced);
        }
        self.send(updates).await?;
        let mut attempt = 0;
        loop {
            attempt += 1;
            match self.session.commit_transaction().await {
                Ok(()) => return Ok(()),
                Err(error)
                    if error.contains_label(UNKNOWN_TRANSACTION_COMMIT_RESULT) && attempt < MAX_ATTEMPTS =>
                {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                Err(error) => return Err(doing(error).into()),
            }
        }
    }

    /// Sends the updates and returns how many documents they matched or made.
    async fn send(&mut self, updates: &Updates) -> Result<i32, SessionError> {
        const DOING: &str = "updating in a group's transaction";
        let mut matched = 0;
        for UpdateCommand { collection, statements, .. } in &updates.commands {
            let mut command = RawDocumentBuf::new();
            command.append("update", *collection);
            command.append("updates", statements.clone());
            command.append("ordered", true);
            let database = self.context.store.database();
            let answer = database.run_raw_command(command).session(&mut self.session).await;
            let answer = answer.map_err(StoreError::doing(DOING))?;
            if let Ok(failures) = answer.get_array("writeErrors") {
                return Err(StoreError::document(DOING, format!("{failures:?}")).into());
            }
            matched += answer.get_i32("n").unwrap_or(0);
        }
        Ok(matched)
    }
}

#[cfg(test)]
mod tests {
    use mongodb::bson::rawdoc;

    use super::*;

    #[test]
    fn commands_stay_below_the_servers_limits_and_nothing_is_left_out() {
        let mut updates = Updates::default();
        for _ in 0..COMMAND_STATEMENTS + 1 {
            updates.add("a", rawdoc! { "q": 1 });
        }
        updates.add("a", rawdoc! { "q": "x".repeat(COMMAND_BYTES) });
        updates.add("b", rawdoc! { "q": 1 });
        let counts: Vec<_> = updates.commands.iter().map(|command| command.count).collect();
        assert_eq!(counts, [COMMAND_STATEMENTS, 1, 1, 1]);
        let collections: Vec<_> = updates.commands.iter().map(|command| command.collection).collect();
        assert_eq!(collections, ["a", "a", "a", "b"]);
        assert_eq!(updates.commands[0].statements.into_iter().count(), COMMAND_STATEMENTS);
    }
}
