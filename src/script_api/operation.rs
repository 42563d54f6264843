//! What a route is, in words and types: its parameters, its body, its answers. `openapi.rs`
//! makes the OpenAPI document of the operations that stand in the table of `routes.rs`.
//!
//! An operation says what its handler does; method, path and scope are the table's to say, and
//! so are the answers of the gate. Examples are values of the same types that the handlers
//! answer with, so that they cannot be of another shape.

use axum::http::StatusCode;
use serde::Serialize;
use serde_json::Value as Json;
use utoipa::ToSchema;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{OperationBuilder, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, OneOfBuilder, SchemaFormat, Type};
use utoipa::openapi::{
    Content, ContentBuilder, Ref, RefOr, Required, Response, ResponseBuilder, Schema,
};

use crate::edn;
use crate::wire;

use super::reply::{Format, OCTETS, TEXT};
use super::shapes::Problem;

/// Any media type, as OpenAPI writes it.
pub(super) const ANY: &str = "*/*";

/// What a value of the API is: it can be written, and it can be described.
pub(super) trait Shape: Serialize + ToSchema {}

impl<T: Serialize + ToSchema> Shape for T {}

/// What one route does, as far as its handler says it.
#[derive(Debug, Clone)]
pub(super) struct Operation {
    id: String,
    summary: String,
    description: String,
    parameters: Vec<Parameter>,
    body: Option<Body>,
    answers: Vec<Answer>,
    schemas: Vec<(String, RefOr<Schema>)>,
}

#[derive(Debug, Clone)]
struct Body {
    description: String,
    kinds: Vec<Kind>,
}

/// One answer; kinds of the same status stand together in the document.
#[derive(Debug, Clone)]
struct Answer {
    status: StatusCode,
    description: String,
    kinds: Vec<Kind>,
    headers: Vec<(&'static str, &'static str, &'static str)>,
}

/// One thing that a body may be.
#[derive(Debug, Clone)]
struct Kind {
    media_type: &'static str,
    /// What it is called among the examples.
    name: String,
    schema: RefOr<Schema>,
    example: Json,
}

impl Operation {
    /// An operation with its kebab-case id and a line that says what it does.
    pub(super) fn new(id: &str, summary: &str) -> Self {
        Self {
            id: id.to_owned(),
            summary: summary.to_owned(),
            description: String::new(),
            parameters: Vec::new(),
            body: None,
            answers: Vec::new(),
            schemas: Vec::new(),
        }
    }

    /// Adds what else there is to know, as Markdown.
    pub(super) fn describe(mut self, text: &str) -> Self {
        if !self.description.is_empty() {
            self.description.push_str("\n\n");
        }
        self.description.push_str(text);
        self
    }

    /// The same by POST, for clients that save with it (README, trap 1).
    pub(super) fn by_post(mut self) -> Self {
        let put = self.id.clone();
        self.id.push_str("-by-post");
        self.summary.push_str(" (by POST)");
        self.describe(&format!("The same as `{put}`."))
    }

    /// A part of the path; it is percent-encoded there.
    pub(super) fn path(self, name: &str, description: &str, example: &str) -> Self {
        let schema = ObjectBuilder::new()
            .schema_type(Type::String)
            .min_length(Some(1));
        let this = self.parameter(
            name,
            ParameterIn::Path,
            Required::True,
            description,
            schema,
            example,
        );
        let known = this.answers.iter().any(|answer| answer.status == 400);
        if known {
            this
        } else {
            this.error(400, "The path is not UTF-8.")
        }
    }

    /// A query parameter that is text.
    pub(super) fn query(
        self,
        name: &str,
        required: Required,
        description: &str,
        example: &str,
    ) -> Self {
        let schema = ObjectBuilder::new().schema_type(Type::String);
        self.parameter(
            name,
            ParameterIn::Query,
            required,
            description,
            schema,
            example,
        )
    }

    /// A query parameter that is one of a few words; it may be left out.
    pub(super) fn choice(self, name: &str, words: &[&str], description: &str) -> Self {
        let schema = ObjectBuilder::new()
            .schema_type(Type::String)
            .enum_values(Some(words.iter().copied()));
        let example = words.first().copied().unwrap_or_default();
        self.parameter(
            name,
            ParameterIn::Query,
            Required::False,
            description,
            schema,
            example,
        )
    }

    /// A header that may be left out.
    pub(super) fn header(self, name: &str, description: &str, example: &str) -> Self {
        let schema = ObjectBuilder::new().schema_type(Type::String);
        self.parameter(
            name,
            ParameterIn::Header,
            Required::False,
            description,
            schema,
            example,
        )
    }

    /// The header in which a script names the action job that it asks for.
    pub(super) fn asker(self) -> Self {
        self.header(
            "MonkeyCI-Job",
            "The action job on whose behalf the script asks, percent-encoded: it is named in the \
             journal. A job's own token says it by itself.",
            "unit-tests",
        )
    }

    fn parameter(
        mut self,
        name: &str,
        place: ParameterIn,
        required: Required,
        description: &str,
        schema: ObjectBuilder,
        example: &str,
    ) -> Self {
        let parameter = ParameterBuilder::new()
            .name(name)
            .parameter_in(place)
            .required(required)
            .description(Some(description))
            .schema(Some(schema))
            .example(Some(example.into()));
        self.parameters.push(parameter.build());
        self
    }

    /// What the client sends: a value as EDN or JSON. With it come the answers to a body that
    /// is cut off, unreadable, too slow or too large.
    pub(super) fn takes<T: Shape>(mut self, description: &str, example: &T) -> Self {
        let kinds = self.value(example);
        self.takes_kinds(description, kinds)
    }

    /// What the client sends: bytes of any kind.
    pub(super) fn takes_octets(self, description: &str) -> Self {
        self.takes_kinds(description, vec![bytes()])
    }

    /// What the client sends: a file of any media type.
    pub(super) fn takes_file(self, description: &str) -> Self {
        let kind = Kind {
            media_type: ANY,
            ..bytes()
        };
        self.takes_kinds(description, vec![kind])
    }

    fn takes_kinds(mut self, description: &str, kinds: Vec<Kind>) -> Self {
        match &mut self.body {
            Some(body) => {
                body.description = format!("{} {description}", body.description);
                body.kinds.extend(kinds);
                self
            }
            None => {
                self.body = Some(Body {
                    description: description.to_owned(),
                    kinds,
                });
                self.error(400, "The body is cut off, or it cannot be read.")
                    .error(408, "The body stood still for too long.")
                    .error(413, "The body is too large.")
            }
        }
    }

    /// It answers with a value, as EDN or JSON.
    pub(super) fn answers<T: Shape>(self, status: u16, description: &str, example: &T) -> Self {
        let mut this = self;
        let kinds = this.value(example);
        this.answer(status, description, kinds)
    }

    /// It answers that it cannot be done: [`Problem`] as EDN or JSON.
    pub(super) fn error(self, status: u16, description: &str) -> Self {
        self.answers(status, description, &Problem::new(description))
    }

    /// It answers with text.
    pub(super) fn text(self, status: u16, description: &str, example: &str) -> Self {
        let kind = Kind {
            media_type: TEXT,
            name: "text".to_owned(),
            schema: text(),
            example: example.into(),
        };
        self.answer(status, description, vec![kind])
    }

    /// It answers with text of its own media type.
    pub(super) fn stream(self, media_type: &'static str, description: &str, example: &str) -> Self {
        let kind = Kind {
            media_type,
            name: "stream".to_owned(),
            schema: text(),
            example: example.into(),
        };
        self.answer(200, description, vec![kind])
    }

    /// It answers with bytes.
    pub(super) fn octets(self, status: u16, description: &str) -> Self {
        self.answer(status, description, vec![bytes()])
    }

    /// It answers with a file, which has a media type of its own.
    pub(super) fn file(self, status: u16, description: &str) -> Self {
        let kind = Kind {
            media_type: ANY,
            ..bytes()
        };
        self.answer(status, description, vec![kind])
    }

    /// It answers without a body.
    pub(super) fn empty(self, status: u16, description: &str) -> Self {
        self.answer(status, description, Vec::new())
    }

    /// Names a header of an answer that was given before.
    pub(super) fn with_header(
        mut self,
        status: u16,
        name: &'static str,
        description: &'static str,
        example: &'static str,
    ) -> Self {
        if let Some(answer) = self.answers.iter_mut().find(|a| a.status == status) {
            answer.headers.push((name, description, example));
        }
        self
    }

    fn answer(mut self, status: u16, description: &str, kinds: Vec<Kind>) -> Self {
        match self.answers.iter_mut().find(|a| a.status == status) {
            Some(answer) => {
                answer.description = format!("{} {description}", answer.description);
                answer.kinds.extend(kinds);
            }
            None => self.answers.push(Answer {
                status: StatusCode::from_u16(status).expect("a status code"),
                description: description.to_owned(),
                kinds,
                headers: Vec::new(),
            }),
        }
        self
    }

    /// A value in both encodings; its shape is kept for the document.
    fn value<T: Shape>(&mut self, example: &T) -> Vec<Kind> {
        let name = T::name().into_owned();
        self.schemas.push((name.clone(), T::schema()));
        T::schemas(&mut self.schemas);
        let value = edn::to_value(example).expect("examples can be written");
        [Format::Edn, Format::Json]
            .map(|format| Kind {
                media_type: format.media_type(),
                name: name.clone(),
                schema: Ref::from_schema_name(&name).into(),
                example: match format {
                    Format::Edn => edn::write(&value).into(),
                    Format::Json => wire::to_json(&value),
                },
            })
            .into()
    }

    /// Takes out the shapes that are referred to.
    pub(super) fn take_schemas(&mut self) -> Vec<(String, RefOr<Schema>)> {
        std::mem::take(&mut self.schemas)
    }

    /// The operation as OpenAPI has it, with its answers in the order of their statuses.
    pub(super) fn build(mut self) -> OperationBuilder {
        self.answers.sort_by_key(|answer| answer.status);
        let operation = OperationBuilder::new()
            .operation_id(Some(self.id))
            .summary(Some(self.summary))
            .description((!self.description.is_empty()).then_some(self.description))
            .parameters((!self.parameters.is_empty()).then_some(self.parameters))
            .request_body(self.body.map(|body| {
                let mut request = RequestBodyBuilder::new()
                    .description(Some(body.description))
                    .required(Some(Required::True));
                for (media_type, content) in contents(&body.kinds) {
                    request = request.content(media_type, content);
                }
                request.build()
            }));
        self.answers.iter().fold(operation, |operation, answer| {
            operation.response(answer.status.as_str(), answer.build())
        })
    }
}

impl Answer {
    fn build(&self) -> Response {
        let mut response = ResponseBuilder::new().description(&self.description);
        for (media_type, content) in contents(&self.kinds) {
            response = response.content(media_type, content);
        }
        for (name, description, example) in &self.headers {
            let header = HeaderBuilder::new()
                .schema(Some(text()))
                .description(Some(*description))
                .example(Some((*example).into()));
            response = response.header(*name, header.build());
        }
        response.build()
    }
}

/// What the kinds of one media type have in common.
fn contents(kinds: &[Kind]) -> Vec<(&'static str, Content)> {
    let mut media_types: Vec<&'static str> = Vec::new();
    for kind in kinds {
        if !media_types.contains(&kind.media_type) {
            media_types.push(kind.media_type);
        }
    }
    let content = |media_type: &'static str| {
        let mut named: Vec<&Kind> = Vec::new();
        for kind in kinds.iter().filter(|kind| kind.media_type == media_type) {
            if !named.iter().any(|known| known.name == kind.name) {
                named.push(kind);
            }
        }
        let content = ContentBuilder::new();
        let content = match &named[..] {
            [one] => content
                .schema(Some(one.schema.clone()))
                .example(Some(one.example.clone())),
            several => {
                let schema = several.iter().fold(OneOfBuilder::new(), |schema, kind| {
                    schema.item(kind.schema.clone())
                });
                content
                    .schema(Some(schema))
                    .examples_from_iter(several.iter().map(|kind| {
                        let example = ExampleBuilder::new().value(Some(kind.example.clone()));
                        (kind.name.clone(), example)
                    }))
            }
        };
        (media_type, content.build())
    };
    media_types.into_iter().map(content).collect()
}

fn text() -> RefOr<Schema> {
    ObjectBuilder::new().schema_type(Type::String).into()
}

fn bytes() -> Kind {
    Kind {
        media_type: OCTETS,
        name: "bytes".to_owned(),
        schema: ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)))
            .into(),
        example: "(the bytes of the archive)".into(),
    }
}
