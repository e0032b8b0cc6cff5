//! How the cost of a walk grows with the number of links, as a chart.

use std::path::Path;

use anyhow::Result;
use plotters::prelude::*;

use crate::measure::Measure;

/// What walks of different lengths took.
#[derive(Debug, Default)]
pub struct Growth {
    /// The number of links, and the milliseconds of each side.
    walks: Vec<(f64, Vec<(&'static str, f64)>)>,
}

impl Growth {
    /// Adds a walk over this many links.
    pub fn add(&mut self, links: usize, measure: &Measure) {
        let sides = measure.nanoseconds().map(|(side, took)| (side, took / 1e6));
        self.walks.push((links as f64, sides.collect()));
    }

    /// How much more the longest walk took for each link than the second longest: 1 if the cost
    /// grows as the number of links does.
    #[must_use]
    pub fn of_the_cost_per_link(&self) -> Option<f64> {
        let per_link = |(links, sides): &(f64, Vec<(&str, f64)>)| Some(sides.first()?.1 / links);
        let [.., shorter, longest] = self.walks.as_slice() else {
            return None;
        };
        Some(per_link(longest)? / per_link(shorter)?)
    }

    /// Draws the chart into an SVG file.
    ///
    /// # Errors
    ///
    /// The file cannot be written.
    pub fn draw(&self, path: &Path) -> Result<()> {
        let most_links = self
            .walks
            .iter()
            .map(|(links, _)| *links)
            .fold(0.0, f64::max);
        let all = self.walks.iter().flat_map(|(_, sides)| sides);
        let longest = all.map(|(_, took)| *took).fold(0.0, f64::max);
        let area = SVGBackend::new(path, (720, 400)).into_drawing_area();
        area.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&area)
            .margin(16)
            .x_label_area_size(40)
            .y_label_area_size(56)
            .build_cartesian_2d(0.0..most_links * 1.02, 0.0..longest * 1.05)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .x_desc("links on the machine")
            .y_desc("milliseconds for a walk with the info of each")
            .x_label_formatter(&|links| format!("{links:.0}"))
            .y_label_formatter(&|took| format!("{took:.0}"))
            .draw()?;
        let sides = self.walks.first().map(|(_, sides)| sides.as_slice());
        for (nth, (side, _)) in sides.unwrap_or_default().iter().enumerate() {
            let color = Palette99::pick(nth).to_rgba();
            let points = || {
                self.walks.iter().filter_map(|(links, sides)| {
                    let (_, took) = sides.iter().find(|(name, _)| name == side)?;
                    Some((*links, *took))
                })
            };
            chart
                .draw_series(LineSeries::new(points(), color.stroke_width(2)))?
                .label(*side)
                .legend(move |(x, y)| {
                    PathElement::new([(x, y), (x + 20, y)], color.stroke_width(2))
                });
            chart.draw_series(points().map(|point| Circle::new(point, 3, color.filled())))?;
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .border_style(BLACK.mix(0.3))
            .background_style(WHITE)
            .draw()?;
        area.present()?;
        Ok(())
    }
}
