//! The contract suite: what any store must do, as cases that a store runs with a way to open itself.
//!
//! Each case is an async function that gets an empty store; [`contract_tests!`](crate::contract_tests) makes a
//! `#[test]` of every one:
//!
//! ```text
//! async fn open() -> (Arc<dyn Store>, TempDir) { … }
//! fanfare_store::contract_tests!(open);
//! ```
//!
//! A case that fails panics, as a test does.

pub mod accepted;
pub mod campaigns;
pub mod devices;
pub mod facts;
pub mod fixtures;
pub mod fleet;
pub mod listing;
pub mod outcomes;
pub mod recovery;

pub use campaigns::{audiences, chunks, endings, steering, uploads};

/// The cases of a store that is shared: what [`contract_tests!`](crate::contract_tests) is for all others.
#[macro_export]
macro_rules! fleet_contract_tests {
    ($open:path) => {
        $crate::contract_tests!($open, fleet: [
            a_census_has_every_slot_and_who_joined,
            a_beat_follows_the_one_before_and_may_be_said_twice,
            who_is_buried_hears_so_and_who_beats_is_not_buried,
            of_a_burial_and_a_beat_one_comes_first,
            slots_are_claimed_together_and_each_at_its_next_epoch,
            a_released_slot_is_free_at_its_epoch,
            racing_claims_have_one_winner,
            a_slot_is_not_taken_up_at_an_epoch_that_is_over,
            what_is_told_is_heard_by_all_others_where_they_listen,
            who_has_heard_is_known_to_the_teller,
            alone_there_is_nobody_to_tell,
        ]);
    };
}

/// Makes one `#[test]` of each case. `$open` is an async function that returns an empty `Arc<dyn Store>` and
/// whatever must live as long as it. The calling crate needs `tokio` with `macros` and `rt-multi-thread`.
#[macro_export]
macro_rules! contract_tests {
    ($open:path) => {
        $crate::contract_tests!($open, devices: [
            a_registered_device_is_read_back_whole,
            unknown_users_ids_and_addresses_are_absent,
            users_and_ids_named_twice_count_once,
            a_stale_revision_is_a_conflict,
            a_row_expected_absent_or_present_must_be_so,
            a_wrong_holder_is_a_conflict,
            an_address_held_by_another_row_is_a_conflict_without_a_claim,
            a_row_moves_between_users_in_one_step,
            an_address_is_taken_over_in_one_step,
            a_conflict_changes_nothing,
            a_removal_alone_works_and_is_idempotent,
            a_removal_names_the_user_too,
            an_address_given_up_is_free,
            a_device_key_is_one_row_of_a_user,
            apps_never_cross,
            racing_claims_end_with_one_holder,
            racing_refreshes_count_each_revision,
            a_scan_covers_every_row_once,
        ]);
        $crate::contract_tests!($open, facts: [
            facts_are_added_to_their_rows,
            facts_of_rows_that_are_gone_or_moved_are_passed_over,
            failures_of_before_the_newest_registration_do_not_count,
            a_change_decided_before_the_facts_takes_nothing_from_them,
        ]);
        $crate::contract_tests!($open, listing: [
            a_tenant_sees_its_own_rows_and_no_deleted_one,
            a_listing_follows_deletion_restoring_and_moves,
            filters_hold_together_and_their_matches_by_turns,
            pages_cover_every_row_once_in_each_order,
        ]);
        $crate::contract_tests!($open, accepted: [
            an_accepted_notification_has_a_summary,
            a_notification_belongs_to_its_app,
            the_same_key_and_body_are_accepted_once,
            the_same_key_with_another_body_is_a_conflict,
            an_expired_key_may_be_used_anew,
            keys_of_two_apps_do_not_meet,
            the_same_id_is_accepted_once,
            racing_callers_of_one_key_are_accepted_once,
            many_accepts_at_once_are_all_kept,
            no_targets_is_completed,
            ten_thousand_targets_are_fine,
        ]);
        $crate::contract_tests!($open, outcomes: [
            outcomes_add_up,
            an_ordinal_keeps_its_first_outcome,
            unknown_notifications_and_ordinals_are_passed_over,
            outcomes_of_another_app_are_passed_over,
            many_notifications_are_recorded_at_once,
            deliveries_are_paged,
            deliveries_are_filtered_by_outcome,
            the_only_delivery_is_listed_with_its_outcome,
        ]);
        $crate::contract_tests!($open, recovery: [
            unfinished_work_comes_back_whole,
            finished_work_does_not_come_back,
            unfinished_work_is_paged_by_id,
            scheduled_work_waits_until_it_is_due,
            what_is_not_scheduled_is_due_by_any_clock,
            the_next_due_is_the_earliest_after,
            cancelled_work_is_marked_and_comes_back,
            finished_work_is_not_cancelled,
            purge_takes_old_finished_work_only,
            purge_keeps_to_its_limit,
            purge_lets_expired_keys_go,
            a_closed_store_says_so,
            a_ping_answers,
        ]);
        $crate::contract_tests!($open, steering: [
            a_campaign_is_read_back_whole,
            a_campaign_belongs_to_its_app,
            a_campaign_is_made_once,
            an_app_has_no_more_unfinished_campaigns_than_it_may,
            a_campaigns_key_belongs_to_its_body,
            a_change_needs_the_revision_before,
            racing_changes_are_one_after_the_other,
            campaigns_are_listed_newest_first,
            what_is_unfinished_comes_back,
            old_campaigns_go_with_all_that_is_theirs,
        ]);
        $crate::contract_tests!($open, uploads: [
            an_upload_grows_block_by_block,
            a_block_that_does_not_fit_changes_nothing,
            an_upload_may_begin_anew,
            nothing_is_added_once_it_runs,
            no_campaign_begins_over_half_an_upload,
            a_row_is_found_by_whom_it_names,
            uploaded_rows_reach_the_devices_of_now,
            a_users_devices_are_never_torn_apart,
            shards_of_an_upload_have_every_row_once,
        ]);
        $crate::contract_tests!($open, audiences: [
            shards_have_every_device_once,
            shards_are_cut_once,
            devices_of_after_the_cut_are_in_no_shard,
            only_devices_that_are_delivered_to_are_in_an_audience,
            a_recipient_is_reached_as_it_is_now,
            tags_and_filters_choose,
            a_page_ends_at_its_limits,
            nobody_is_an_audience_too,
            a_count_says_how_far_it_looked,
        ]);
        $crate::contract_tests!($open, chunks: [
            an_opened_chunk_comes_back_whole,
            opening_moves_the_cursor_in_the_same_step,
            the_same_chunk_is_opened_once,
            a_chunk_of_somebody_elses_cursor_is_lost,
            nothing_is_opened_once_it_is_over,
            racing_readers_open_each_page_once,
            a_page_of_nobody_moves_the_cursor_alone,
            what_ends_at_once_is_recorded_with_the_opening,
            open_chunks_are_paged_by_id,
        ]);
        $crate::contract_tests!($open, endings: [
            outcomes_of_chunks_add_up,
            an_ordinal_of_a_chunk_keeps_its_first_outcome,
            unknown_chunks_and_ordinals_are_passed_over,
            a_finished_chunk_is_forgotten,
            what_was_not_simply_delivered_is_listed,
        ]);
    };
    ($open:path, $group:ident: [$($case:ident),+ $(,)?]) => {
        mod $group {
            use super::*;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $case() {
                    let (store, _kept) = $open().await;
                    $crate::contract::$group::$case(store.clone()).await;
                    store.close().await.expect("the store closes");
                }
            )+
        }
    };
}
