//! Finds the fields that a snapshot tells, by name, in the kernel's types.

use super::field::{Field, Fields, KINDS, KindFields, REFERENCES, Ways};
use crate::btf::types::Type;
use crate::error::Result;
use crate::iter_program::look::{Look, Missing, Wanted, Way, look_up};
use crate::kind::LinkKind;

/// Where this kernel has what a snapshot tells.
#[derive(Debug)]
pub(super) struct Plan {
    /// The function that an iterator over links is attached to.
    pub(super) target: u32,
    /// The function that gives a pointer a type; `None` before Linux 6.2.
    pub(super) cast: Option<i32>,
    pub(super) id: Way,
    pub(super) kind: Way,
    pub(super) program_id: Way,
    pub(super) references: Option<Way>,
    pub(super) kinds: Vec<KindPlan>,
}

/// Where it has what is particular to a kind.
#[derive(Debug)]
pub(super) struct KindPlan {
    pub(super) kind: LinkKind,
    /// The structure of such links, and how far inside the `struct bpf_link` is.
    pub(super) structure: u32,
    pub(super) link: i16,
    pub(super) fields: Vec<(Field, Way)>,
}

impl Plan {
    /// Reads the kernel's types.
    pub(super) fn read() -> Result<Self> {
        let kinds = KINDS.iter().map(|kind| kind.structure);
        let structures: Vec<_> = kinds.chain([LINK, "perf_event"]).collect();
        let wanted = Wanted {
            target: "bpf_iter_bpf_link",
            structures: &structures,
        };
        look_up(&wanted, Self::find)
    }

    fn find(look: &Look<'_>) -> Result<Self, Missing> {
        let link = look.structure(LINK)?;
        let way = |path| look.number(&link, &[path], 4).ok_or(Missing(LINK));
        Ok(Self {
            target: look.target,
            cast: look.cast,
            id: way("id")?,
            kind: way("type")?,
            program_id: way("prog->aux->id")?,
            references: first(look, &link, &REFERENCES),
            kinds: KINDS
                .iter()
                .filter_map(|kind| KindPlan::find(look, kind))
                .collect(),
        })
    }

    /// What is known of the links of a kind whose fields are read.
    pub(super) fn fields(&self, kind: LinkKind) -> Fields {
        let plan = self.kinds.iter().find(|plan| plan.kind == kind);
        let fields = plan.into_iter().flat_map(|plan| &plan.fields);
        fields.fold(self.common(), |fields, (field, _)| fields.with(*field))
    }

    /// What is known of all links.
    pub(super) fn common(&self) -> Fields {
        match self.references {
            Some(_) => Fields::default().with(Field::References),
            None => Fields::default(),
        }
    }
}

const LINK: &str = "bpf_link";

impl KindPlan {
    fn find(look: &Look<'_>, kind: &KindFields) -> Option<Self> {
        let structure = look.structure(kind.structure).ok()?;
        let fields = kind.fields.iter();
        let fields = fields.filter_map(|ways| Some((ways.0, first(look, &structure, ways)?)));
        Some(Self {
            kind: kind.kind,
            structure: structure.id,
            link: look.offset(&structure, kind.link)?,
            fields: fields.collect(),
        })
    }
}

/// The first of the ways that there is.
fn first<'a>(look: &Look<'a>, structure: &Type<'a>, (field, ways): &Ways) -> Option<Way> {
    look.number(structure, ways, field.place().size())
}
