//! Lists a page at a time: which page a query asks for.

use axum::extract::{FromRequestParts, Query};
use fanfare_types::Outcome;
use http::StatusCode;
use http::request::Parts;

use crate::fields::{Faults, shown};
use crate::problem::Problem;

/// The query's names and values, as they came.
pub(crate) struct Pairs(pub(crate) Vec<(String, String)>);

impl<S: Send + Sync> FromRequestParts<S> for Pairs {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = Query::<Vec<(String, String)>>::from_request_parts(parts, state).await;
        let unreadable = |_| Problem::malformed("malformed_query", "the query cannot be read");
        query.map(|Query(pairs)| Pairs(pairs)).map_err(unreadable)
    }
}

/// What may be asked of a list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pages {
    pub(crate) limit_default: usize,
    pub(crate) limit_max: usize,
    /// The outcomes that may be asked for; none when the list is not of deliveries.
    pub(crate) outcomes: &'static [Outcome],
}

/// A page that was asked for.
#[derive(Debug, PartialEq)]
pub(crate) struct Page<P> {
    pub(crate) outcome: Option<Outcome>,
    pub(crate) limit: usize,
    /// Where it starts, if not at the beginning.
    pub(crate) start: Option<P>,
}

impl<P> Page<P> {
    /// The page, or all that is wrong with the query. `cursor` reads one of this list, for this outcome.
    pub(crate) fn read(
        query: Vec<(String, String)>,
        pages: Pages,
        cursor: impl FnOnce(Option<Outcome>, &str) -> Option<P>,
    ) -> Result<Self, Problem> {
        let mut faults = Faults::default();
        let [outcome, limit, place] = members(query, pages, &mut faults);
        let outcome = outcome.and_then(|word| read_outcome(&word, pages, &mut faults));
        let limit = read_limit(limit, pages, &mut faults);
        let start = place.map(|text| {
            let start = cursor(outcome, &text);
            if start.is_none() && !faults.concern("outcome") {
                faults.add("cursor", "malformed", "is not a `next_cursor` of this list");
            }
            start
        });
        match (limit, start) {
            (Some(limit), start) if faults.is_empty() => Ok(Page {
                outcome,
                limit,
                start: start.flatten(),
            }),
            _ => {
                let status = StatusCode::UNPROCESSABLE_ENTITY;
                Err(Problem::invalid(status, faults.into_vec()))
            }
        }
    }
}

fn members(query: Vec<(String, String)>, pages: Pages, faults: &mut Faults) -> [Option<String>; 3] {
    let [mut outcome, mut limit, mut cursor] = [None, None, None];
    for (name, value) in query {
        let known = match name.as_str() {
            "outcome" if !pages.outcomes.is_empty() => &mut outcome,
            "limit" => &mut limit,
            "cursor" => &mut cursor,
            _ => {
                faults.add(
                    shown(&name),
                    "unknown",
                    "is not a parameter of this request",
                );
                continue;
            }
        };
        // A form's empty field: nothing was asked for.
        if !value.is_empty() && known.replace(value).is_some() {
            faults.add(name, "duplicate", "may be given once");
        }
    }
    [outcome, limit, cursor]
}

fn read_outcome(word: &str, pages: Pages, faults: &mut Faults) -> Option<Outcome> {
    let outcome = Outcome::parse(word);
    if outcome.is_some_and(|outcome| pages.outcomes.contains(&outcome)) {
        return outcome;
    }
    let code = match outcome {
        Some(_) => "not_allowed",
        None => "unknown",
    };
    let words: Vec<_> = pages.outcomes.iter().map(|word| word.as_str()).collect();
    let detail = format!("must be one of {}", words.join(", "));
    faults.add("outcome", code, detail);
    None
}

fn read_limit(given: Option<String>, pages: Pages, faults: &mut Faults) -> Option<usize> {
    let Some(text) = given else {
        return Some(pages.limit_default);
    };
    let limit = text.parse().ok();
    let limit = limit.filter(|limit| (1..=pages.limit_max).contains(limit));
    if limit.is_none() {
        let detail = format!("must be a whole number from 1 to {}", pages.limit_max);
        faults.add("limit", "out_of_range", detail);
    }
    limit
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGES: Pages = Pages {
        limit_default: 100,
        limit_max: 1000,
        outcomes: &[Outcome::Dead, Outcome::Failed],
    };

    fn read(pages: Pages, query: &[(&str, &str)]) -> Result<Page<u32>, String> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let query = query.iter().map(owned).collect();
        Page::read(query, pages, |_, text| text.strip_prefix('c')?.parse().ok())
            .map_err(|problem| serde_json::to_string(&problem).unwrap())
    }

    #[test]
    fn a_page_has_defaults_and_bounds() {
        let page = read(PAGES, &[]).unwrap();
        assert_eq!((page.limit, page.start, page.outcome), (100, None, None));
        let query = [("limit", "1000"), ("outcome", "dead"), ("cursor", "c7")];
        let page = read(PAGES, &query).unwrap();
        let dead = Some(Outcome::Dead);
        assert_eq!(
            (page.limit, page.start, page.outcome),
            (1000, Some(7), dead)
        );
        let empty = [
            ("outcome", ""),
            ("limit", ""),
            ("cursor", ""),
            ("limit", "7"),
        ];
        let page = read(PAGES, &empty).unwrap();
        assert_eq!((page.limit, page.start, page.outcome), (7, None, None));
        let query = [
            ("limit", "0"),
            ("outcome", "lost"),
            ("cursor", "x"),
            ("page", "2"),
        ];
        let problem = read(PAGES, &query).unwrap_err();
        for field in ["limit", "outcome", "page"] {
            let field = format!(r#""field":"{field}""#);
            assert!(problem.contains(&field), "{problem}");
        }
        let faulty = |query, code: &str| {
            let problem = read(PAGES, query).unwrap_err();
            assert!(problem.contains(code), "{problem}");
        };
        faulty(&[("cursor", "x")], "cursor");
        faulty(&[("limit", "1"), ("limit", "2")], "duplicate");
        faulty(&[("outcome", "delivered")], "not_allowed");
    }

    #[test]
    fn a_list_of_something_else_has_no_outcomes() {
        let pages = Pages {
            outcomes: &[],
            ..PAGES
        };
        assert!(
            read(pages, &[("outcome", "dead")])
                .unwrap_err()
                .contains("unknown")
        );
    }
}
