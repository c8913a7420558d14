//! Whether the writer still works: for the watchdog.

use super::{Store, StoreError};

impl Store {
    /// Waits for a turn of the writer. Nothing is written.
    ///
    /// # Errors
    /// [`StoreError::Busy`] if nothing more can wait for the writer, [`StoreError::Closed`] if there is none any more, and
    /// what the database says otherwise.
    pub async fn turn(&self) -> Result<(), StoreError> {
        self.write(|_| Ok(())).await
    }
}
