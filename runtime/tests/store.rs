//! The store of components: the same promises on a directory and on an S3-compatible server.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that panics has failed")]

#[path = "store/conformance.rs"]
mod conformance;
#[path = "store/damage.rs"]
mod damage;
#[path = "store/fixture.rs"]
mod fixture;
#[path = "store/outage.rs"]
mod outage;
#[path = "support/s3.rs"]
mod s3;
#[path = "support/small_disk.rs"]
mod small_disk;

use fixture::Fixture;

async fn holds_its_promises(fixture: Fixture) {
    conformance::a_push_is_a_version_and_the_same_push_again_changes_nothing(&fixture).await;
    conformance::an_older_version_can_be_used_and_pushed_again(&fixture).await;
    conformance::the_manifest_belongs_to_the_version(&fixture).await;
    conformance::a_file_is_not_paired_with_a_manifest_that_it_was_not_checked_with(&fixture).await;
    conformance::a_signature_belongs_to_the_version(&fixture).await;
    conformance::what_is_not_signed_changes_nothing(&fixture).await;
    conformance::what_is_removed_is_gone_and_its_versions_stay(&fixture).await;
    conformance::pushes_of_one_name_at_once_lose_no_version(&fixture).await;
    conformance::readers_are_not_disturbed_by_writers_and_old_revisions_go(&fixture).await;
    conformance::names_that_differ_only_in_case_are_refused(&fixture).await;
    conformance::what_was_put_there_by_hand_is_a_component_without_versions(&fixture).await;
    conformance::a_large_file_is_sent_in_parts_and_tells_how_far_it_is(&fixture).await;
    damage::an_index_that_is_garbage_leaves_its_component_as_it_was(&fixture).await;
    damage::a_file_that_is_not_what_was_pushed_is_refused_and_healed_by_a_push(&fixture).await;
    damage::a_version_whose_file_is_gone_is_not_used(&fixture).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_holds_its_promises() {
    holds_its_promises(Fixture::directory()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_s3_compatible_server_holds_its_promises() {
    let Some(server) = s3::S3::start() else { return };
    holds_its_promises(Fixture::s3(server)).await;
}
