//! Which task of a kind is the only one for a while: the first that says so, whichever runtime it comes to.

use entity::{task_unique, task_unique::Column};
use sea_orm::{
    ColumnTrait, EntityTrait, ExprTrait, IntoActiveModel, Iterable, QueryFilter,
    sea_query::{Expr, OnConflict, Query},
};

use super::super::{Database, QueryError};

pub use entity::task_unique::Model as Kind;

/// How many are forgotten in one statement.
const BATCH: u64 = 1_000;

impl Database {
    /// Makes a task the only one of its kind until then, unless there is one; gives the one that it is.
    ///
    /// # Errors
    /// See [`QueryError`]. The same may be asked again, and gives the same.
    pub async fn claim_kind(&self, claim: Kind) -> Result<Kind, QueryError> {
        loop {
            // A look first: what asks often for the same need not lock its row each time.
            let holder = task_unique::Entity::find_by_id(claim.kind.as_str()).one(self.single_writes()).await?;
            let now = self.clock().now();
            if let Some(holder) = holder.filter(|holder| holder.until > now) {
                return Ok(holder);
            }
            let is_over = Expr::col((task_unique::Entity, Column::Until)).lte(now);
            let taken =
                OnConflict::column(Column::Kind).update_columns(Column::iter()).action_and_where(is_over).to_owned();
            let written = task_unique::Entity::insert(claim.clone().into_active_model())
                .on_conflict(taken)
                .exec_without_returning(self.single_writes())
                .await?;
            if written > 0 {
                return Ok(claim);
            }
        }
    }

    /// Forgets the kinds whose time is over, some at a time.
    ///
    /// # Errors
    /// See [`QueryError`]; what was forgotten by then is.
    pub async fn forget_old_kinds(&self) -> Result<(), QueryError> {
        loop {
            let now = self.clock().now();
            let old = Query::select()
                .column(Column::Kind)
                .from(task_unique::Entity)
                .and_where(Expr::col(Column::Until).lte(now))
                .limit(BATCH)
                .take();
            let these = task_unique::Entity::delete_many()
                .filter(Column::Kind.in_subquery(old))
                // One that was taken anew in between stays.
                .filter(Column::Until.lte(now));
            if these.exec(self.single_writes()).await?.rows_affected < BATCH {
                return Ok(());
            }
        }
    }
}
