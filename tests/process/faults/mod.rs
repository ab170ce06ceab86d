//! Faults of vendors, networks and clients, over real sockets: each costs one quote, never the answer.
//!
//! Every fault that the service must survive, and the tests that show that it does (31 and 32 are not in use):
//!
//! | # | fault | test |
//! |---|---|---|
//! | 1 | a source never replies | process::faults::replies::a_silent_vendor_times_out_and_the_others_make_the_price |
//! | | | process::faults::outages::a_source_that_hangs_costs_its_time_once_and_then_no_more |
//! | | | process::unawaited::a_silent_vendor_holds_up_no_answer_with_a_quorum_and_not_the_end |
//! | | | pricing::quorum::not_being_awaited_does_not_count_against_a_source |
//! | 2 | a body drips | process::faults::replies::a_dripping_body_times_out_and_its_connection_is_not_reused |
//! | 3 | a body stalls | process::faults::replies::a_body_that_stalls_is_never_read |
//! | 4 | JSON breaks off | process::faults::replies::truncated_json_is_malformed_and_not_retried |
//! | | | process::faults::outages::each_kind_of_breaking_counts_once_per_call |
//! | 5 | a body is shorter than announced | process::faults::connections::a_reply_shorter_than_its_announced_length_is_a_broken_connection |
//! | 6 | a body of 100 MB | process::faults::replies::a_reply_that_is_too_long_is_cut_at_the_limit_and_not_asked_for_again |
//! | 7 | a compressed bomb | process::faults::replies::a_small_body_that_unpacks_to_megabytes_is_cut_at_the_limit |
//! | | | process::cases::bodies::a_body_that_cannot_be_unpacked_costs_one_quote |
//! | | | source::fetch::encoding::any_bytes_under_any_name_are_a_failure_or_a_body_within_the_limit |
//! | 8 | a web page | process::faults::replies::a_web_page_is_never_data_whatever_it_contains_or_is_called |
//! | 9 | a 429 | process::faults::replies::a_429_is_not_asked_again_before_the_time_it_names |
//! | | | process::faults::outages::a_vendor_that_says_two_seconds_is_paused_for_two_and_called_once |
//! | 10 | a 429 with an absurd time | source::cooldown::a_429_is_kept_to_and_else_doubles |
//! | | | source::fetch::reply::retry_after_is_seconds_or_a_date_and_nonsense_is_none |
//! | 11 | a burst of 503 | process::faults::outages::a_burst_of_refusals_is_not_doubled_by_second_tries |
//! | | | source::retry::retries_are_at_most_a_tenth_of_the_answered_calls_plus_one_a_second |
//! | 12 | a source comes back | source::left_alone::after_the_wait_one_call_probes_and_after_its_success_the_others_go_too |
//! | | | source::left_alone::a_probe_that_meets_a_429_leaves_the_circuit_open |
//! | | | source::breaker::each_failed_probe_doubles_the_wait_up_to_a_minute |
//! | 13 | who probes leaves | source::left_alone::a_probe_whose_caller_leaves_lets_the_next_one_probe |
//! | 14 | every other call fails | source::left_alone::flapping_opens_the_circuit_without_five_failures_in_a_row |
//! | 15 | a connection is reset | process::faults::connections::a_connection_that_is_reset_costs_one_quote |
//! | | | source::retry::calls_that_failed_together_are_not_retried_together |
//! | 16 | a connection is refused | process::faults::connections::a_refused_connection_is_known_at_once |
//! | 17 | no such name, or nobody who knows it | network::names::a_name_that_does_not_exist_is_no_connection |
//! | | | network::names::a_name_server_that_never_answers_is_no_connection_after_three_quarters_of_the_attempt |
//! | 18 | a false certificate, a handshake that stalls | network::certificates::a_certificate_that_has_expired_is_refused |
//! | | | network::certificates::a_certificate_for_another_host_is_refused |
//! | | | network::certificates::a_handshake_that_stalls_is_no_connection_and_does_not_take_the_whole_attempt |
//! | 19 | a redirect inwards | process::faults::connections::a_redirect_is_not_followed |
//! | 20 | an idle connection was closed | process::faults::connections::a_connection_closed_while_idle_costs_no_quote |
//! | | | process::faults::connections::a_connection_that_breaks_once_costs_no_quote |
//! | 21 | a value that is not a price | process::faults::values::an_invalid_price_is_refused_and_the_sources_other_prices_are_kept |
//! | 22 | a time ahead of ours | process::faults::values::a_time_ahead_of_ours_is_refused_unless_clocks_may_differ_by_it |
//! | 23 | a quote of ten minutes ago | process::faults::values::a_ten_minute_old_quote_is_only_a_fallback_and_says_so |
//! | 24 | a symbol not asked for, twice, in another case | process::faults::values::a_row_about_a_symbol_that_was_not_asked_for_is_ignored |
//! | | | process::faults::values::of_two_rows_about_one_symbol_the_newer_counts_else_the_last |
//! | | | process::faults::values::a_name_is_matched_as_the_rules_spell_it_and_not_by_resemblance |
//! | 25 | one symbol in three spellings | process::faults::questions::a_symbol_in_several_spellings_is_answered_once_in_first_place |
//! | 26 | a bad query | process::faults::questions::a_bad_query_names_the_field_and_the_rule_and_costs_no_call |
//! | 27 | a request that is too large | http::listen::a_url_of_sixty_kilobytes_is_refused_and_the_client_gets_to_read_it |
//! | | | http::listen::sixty_four_headers_are_enough_and_sixty_five_too_many |
//! | | | http::listen::a_body_of_a_megabyte_is_a_413_and_the_client_gets_to_read_it |
//! | 28 | every source is down | process::faults::connections::with_all_sources_down_each_states_its_reason_and_retry_time |
//! | 29 | a call panics | source::coalescer::a_panic_is_one_internal_failure_and_the_source_goes_on |
//! | | | source::left_alone::a_call_that_panics_counts_like_any_failure |
//! | 30 | a client leaves | process::faults::waiting::a_lone_client_that_leaves_takes_its_calls_with_it |
//! | | | source::left_alone::callers_who_leave_429s_and_our_own_refusals_do_not_count_as_failures |
//! | | | http::request_log::a_client_that_leaves_before_its_reply_is_in_the_log_under_its_id |
//! | 33 | a thousand equal requests | process::faults::waiting::a_thousand_equal_requests_are_one_call_though_the_first_leaves |
//! | 34 | who joined has less time | process::faults::waiting::a_client_with_less_time_leaves_alone_and_the_call_goes_on_for_the_other |
//! | 35 | ten times too many requests | http::stack::excess_is_refused_at_once_while_health_still_answers |
//! | 36 | SIGTERM with requests in flight | process::ending::readiness_fails_first_while_requests_are_still_served |
//! | | | process::ending::a_request_in_flight_when_listening_ends_is_answered_whole |
//! | 37 | SIGTERM with clients that hold on | process::ending::clients_that_hold_on_do_not_hold_up_the_end |
//! | 38 | a second SIGTERM | process::ending::a_second_signal_ends_it_at_once |
//! | 39 | 500 clients that never finish their request | http::listen::five_hundred_half_sent_requests_disturb_no_other_client |
//! | | | process::untrusted::clients_that_hold_connections_disturb_no_other_and_are_soon_gone |
//! | 40 | no file descriptor is left | http::listen::running_out_of_file_descriptors_neither_stops_nor_spins_the_server |
//! | | | process::untrusted::running_out_of_file_descriptors_is_survived_and_logged_once |
//! | 41 | the system clock is set back | source::service::a_system_clock_that_jumps_back_makes_nothing_old_late_or_from_the_future |
//! | 42 | a wrong configuration | process::configuration::what_is_wrong_is_named_by_file_line_key_and_cure_and_nothing_listens |
//! | 43 | a hundred thousand brackets | process::faults::replies::deeply_nested_bodies_are_malformed_and_the_service_survives |
//! | 44 | a filter that names what it may not | process::configuration::what_is_wrong_is_named_by_file_line_key_and_cure_and_nothing_listens |
//! | 45 | a filter that repeats its error | process::faults::replies::a_filter_that_repeats_its_error_for_ever_ends_as_one_failure |
//! | 46 | one unknown symbol fails a whole call | source::coalescer::where_one_unknown_kills_a_batch_each_symbol_is_answered_for_itself |
//! | 47 | every breaker is open, and nobody asks | process::faults::outages::with_every_source_left_alone_it_is_ready_again_without_being_asked |
//! | 48 | who asked first has less time | source::service::a_hasty_client_leaves_with_what_there_is_and_one_who_joined_gets_the_reply |
//! | 49 | a day's quota is used up | source::bad_days::a_quota_used_up_at_nine_is_asked_for_a_handful_of_times_that_day |

mod connections;
mod outages;
mod questions;
mod replies;
mod table;
mod values;
mod waiting;

use crate::support::{Reply, Service, Upstream};

/// A service over one faulty vendor and two good ones.
struct Market {
    service: Service,
    faulty: Upstream,
    honest: [Upstream; 2],
}

impl Market {
    /// The faulty vendor is source `a`, with `more` in its section. Timeouts suit a busy machine.
    fn with(faulty: Upstream, more: &str) -> Self {
        let honest = [Upstream::quoting("100"), Upstream::quoting("100.1")];
        let patient = "timeout = \"7s\"\n";
        let timeout = if more.contains("timeout = ") { "" } else { patient };
        let a = faulty.source("a", &format!("{timeout}{more}"));
        let service = Service::over(&[a, honest[0].source("b", patient), honest[1].source("c", patient)]);
        Market { service, faulty, honest }
    }

    fn of(faulty: Upstream) -> Self {
        Market::with(faulty, "")
    }

    /// A faulty vendor that is expected not to reply: its timeout is 400 ms.
    fn of_hanging(faulty: Upstream) -> Self {
        Market::with(faulty, "timeout = \"400ms\"")
    }

    /// Asks for BTC-USD, and checks that the price is folded from the good vendors, whatever `a` did.
    fn ask(&self) -> Reply {
        let reply = self.service.prices("BTC-USD");
        assert_eq!((reply.status, reply.header("prices-status")), (200, Some("complete")), "{reply:?}");
        assert_eq!(reply.json()["prices"].as_array().map(Vec::len), Some(1), "nothing but what was asked: {reply:?}");
        let entry = reply.entry("BTC-USD");
        assert_eq!((&entry["price"], &entry["sources"]["used"]), (&"100.05".into(), &2.into()), "{entry:#}");
        for source in ["b", "c"] {
            assert_eq!(reply.verdict("BTC-USD", source), "used");
        }
        reply
    }

    /// Asks, and returns status and reason of the quote of `a`, and the detail.
    fn verdict(&self) -> (String, String) {
        let reply = self.ask();
        let quote = reply.quote("BTC-USD", "a");
        (reply.verdict("BTC-USD", "a"), quote["detail"].as_str().unwrap_or_default().to_owned())
    }

    /// Asserts status and reason of `a`, and a part of its detail.
    fn assert_failed(&self, reason: &str, words: &str) {
        let (verdict, detail) = self.verdict();
        assert_eq!(verdict, format!("failed / {reason}"), "{detail}");
        assert!(detail.contains(words), "{words:?} is not in {detail:?}");
    }
}
