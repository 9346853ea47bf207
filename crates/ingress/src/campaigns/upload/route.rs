//! The route that takes uploads.

use axum::extract::{Request, State};
use fanfare_actors::campaigns::{Appended, CampaignView};
use fanfare_core::campaign::Impossible;
use fanfare_providers::Fault;
use fanfare_store::campaigns::{Block, Upload};
use fanfare_types::{AppId, Audience, CampaignId, CampaignState};
use http::StatusCode;
use http::header::EXPECT;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::head::{Head, unsupported};
use super::reader::{Format, Limits, Reader, Refused};
use super::receive::Incoming;
use super::row::Rules;
use crate::api::Shared;
use crate::auth::Service;
use crate::campaigns::view::UploadView;
use crate::openapi;
use crate::path::{CampaignPath, no_such_campaign};
use crate::problem::{Problem, impossible};

/// Its requests take as long as they take: no time limit is set to them as a whole, but to each wait in them.
pub(crate) const ROUTE: &str = "/v1/campaigns/{id}/recipients";

pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::default().routes(routes!(recipients))
}

/// Upload the recipients of a campaign: NDJSON or CSV, of any size.
///
/// Bad rows are passed over, and reported by their lines. An upload that breaks off stays incomplete, and goes on at
/// `Upload-Offset`; without one it begins anew, and replaces what was there.
#[utoipa::path(put, path = "/v1/campaigns/{id}/recipients", tag = "Campaigns", operation_id = "upload_recipients",
    params(("id" = String, Path, description = "The campaign's id"),
        ("Upload-Offset" = Option<u64>, Header, description = "Goes on at this byte: the `upload.bytes` of the campaign.")),
    request_body(description = "`{\"user_id\" or \"device_id\", \"variables\"}` a line; or CSV with a header line that names a column `user_id` or `device_id`, and variables.",
        content((String = "application/x-ndjson"), (String = "text/csv"))),
    responses(
        (status = 200, description = "The upload, which is complete.", body = UploadView),
        (status = 400, description = "The body broke off (`body_unreadable`).", body = Problem, content_type = "application/problem+json"),
        (status = 401, response = openapi::Unauthorized),
        (status = 403, response = openapi::Forbidden),
        (status = 404, response = openapi::NotFound),
        (status = 408, description = "Nothing came for `campaigns.upload_idle`.", body = Problem, content_type = "application/problem+json"),
        (status = 409, description = "`upload_offset`: the upload stands elsewhere; `upload_under_way`: one at a time; `not_an_upload`: of this audience; `impossible_in_state`.", body = Problem, content_type = "application/problem+json"),
        (status = 413, description = "More rows than a campaign may have.", body = Problem, content_type = "application/problem+json"),
        (status = 415, description = "Neither NDJSON nor CSV, or not what the upload began as.", body = Problem, content_type = "application/problem+json"),
        (status = 422, response = openapi::Invalid),
        (status = 503, response = openapi::Unavailable),
    ), security(("service_key" = [])))]
async fn recipients(
    State(api): State<Shared>,
    service: Service,
    CampaignPath(id): CampaignPath,
    request: Request,
) -> Result<axum::Json<UploadView>, Problem> {
    let (parts, body) = request.into_parts();
    let mut incoming = Incoming::new(&api, body, parts.headers.contains_key(EXPECT));
    let uploading = async {
        let head = Head::read(&parts.headers)?;
        let app = &service.app.id;
        let _turn = api.uploads.begin(app, id).ok_or_else(under_way)?;
        let uploading = Uploading { api: &api, app, id };
        uploading.run(head, &mut incoming).await
    };
    match uploading.await {
        Ok(upload) => Ok(axum::Json(upload.into())),
        Err(problem) => {
            incoming.let_go().await;
            Err(problem)
        }
    }
}

/// An upload that has its turn.
struct Uploading<'a> {
    api: &'a Shared,
    app: &'a AppId,
    id: CampaignId,
}

impl Uploading<'_> {
    async fn run(&self, head: Head, incoming: &mut Incoming<'_>) -> Result<Upload, Problem> {
        let view = self.api.timely(self.api.rooms.campaign(self.app, self.id));
        let view = view.await?.ok_or_else(no_such_campaign)?;
        takes_rows(&view)?;
        let rules = Rules::of(&view.record);
        let upload = self.begin(head, view.upload).await?;
        let limits = &self.api.now().config.campaigns;
        let limits = Limits {
            rows_max: limits.upload_rows_max,
            row_bytes_max: limits.upload_row_bytes_max,
        };
        let mut reader = Reader::new(head.format, upload, rules, limits);
        self.take_in(&mut reader, incoming).await
    }

    /// What is there, as far as this goes on behind it; from here on it is incomplete.
    async fn begin(&self, head: Head, there: Upload) -> Result<Upload, Problem> {
        let replaces = head.offset.is_none();
        if head.offset.is_some_and(|offset| offset != there.bytes) {
            return Err(elsewhere(&there));
        }
        let is_csv = head.format == Format::Csv;
        if !replaces && there.bytes > 0 && there.columns.is_some() != is_csv {
            return Err(unsupported("the upload began as another media type"));
        }
        let is_new = there == Upload::default();
        let upload = match replaces {
            true => Upload::default(),
            false => Upload {
                is_complete: false,
                ..there
            },
        };
        if !is_new && (replaces || there.is_complete) {
            self.append(Block {
                from: upload.bytes,
                replaces,
                upload: upload.clone(),
                rows: Vec::new(),
            })
            .await?;
        }
        Ok(upload)
    }

    async fn take_in(
        &self,
        reader: &mut Reader,
        incoming: &mut Incoming<'_>,
    ) -> Result<Upload, Problem> {
        loop {
            match incoming.next().await {
                Ok(Some(text)) => {
                    reader.push(&text);
                    while let Some(block) = reader.block().map_err(refused)? {
                        self.append(block).await?;
                    }
                }
                Ok(None) => break,
                Err(problem) => {
                    if let Some(block) = reader.cut() {
                        self.append(block).await?;
                    }
                    return Err(problem);
                }
            }
        }
        let mut upload = Upload::default();
        while let Some(block) = reader.end().map_err(refused)? {
            upload = self.append(block).await?;
        }
        Ok(upload)
    }

    /// Durable when it answers.
    async fn append(&self, block: Block) -> Result<Upload, Problem> {
        let appending = self.api.rooms.append(self.app, self.id, block);
        match self.api.timely(appending).await? {
            None => Err(no_such_campaign()),
            Some(Appended::Taken(upload)) => Ok(upload),
            Some(Appended::DoesNotFit(there)) => Err(elsewhere(&there)),
        }
    }
}

fn takes_rows(view: &CampaignView) -> Result<(), Problem> {
    if view.record.audience != Audience::Upload {
        return Err(Problem::new(
            StatusCode::CONFLICT,
            "not_an_upload",
            "the audience of this campaign is not an upload",
        ));
    }
    match view.standing.state {
        CampaignState::Draft | CampaignState::Scheduled => Ok(()),
        from => Err(impossible(Impossible::State { from })),
    }
}

fn elsewhere(there: &Upload) -> Problem {
    let detail = format!("the upload stands at byte {}", there.bytes);
    Problem::new(StatusCode::CONFLICT, "upload_offset", detail)
}

fn under_way() -> Problem {
    let detail = "this campaign is being uploaded to; one at a time";
    Problem::new(StatusCode::CONFLICT, "upload_under_way", detail)
}

fn refused(why: Refused) -> Problem {
    match why {
        Refused::Header(code, detail) => {
            let fault = Fault {
                field: "header".to_owned(),
                code,
                detail: detail.to_owned(),
            };
            Problem::invalid(StatusCode::UNPROCESSABLE_ENTITY, vec![fault])
        }
        Refused::TooManyRows => Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "upload_too_large",
            "the upload has more rows than a campaign may have, and stays incomplete",
        ),
    }
}
