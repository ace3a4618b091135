//! Writes what benches/measure.sh measured into pages: the blocks between their markers, the plots, and a check of
//! the figures that the text quotes. `make bench` and `make pages` run it:
//! `cargo run --release -p eplb-pages -- --figures target/bench [--plots docs/plots] PAGE..`

mod blocks;
mod claims;
mod figures;
mod plots;
mod readme;
mod seconds;
mod tables;

use std::error::Error;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;

use figures::Figures;

/// Fill the generated blocks of pages.
#[derive(Parser)]
#[command(name = "pages")]
struct Cli {
    /// Folder that benches/measure.sh wrote
    #[arg(long, value_name = "FOLDER")]
    figures: PathBuf,
    /// Folder for the plots
    #[arg(long, value_name = "FOLDER")]
    plots: Option<PathBuf>,
    /// Markdown files
    pages: Vec<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("pages: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Whether all that the pages quote is what was measured.
fn run(cli: &Cli) -> Result<bool, Box<dyn Error>> {
    let figures = Figures::read(&cli.figures)?;
    if let Some(folder) = &cli.plots {
        fs::create_dir_all(folder)?;
        plots::draw(&figures, folder)?;
    }
    let mut good = true;
    for path in &cli.pages {
        let faults_of = match path.file_name().and_then(|name| name.to_str()) {
            Some("README.md") => Some(claims::faults as fn(&str, &Figures) -> Vec<String>),
            Some("CHOOSING.md") => Some(claims::faults_of_choosing as _),
            _ => None,
        };
        if faults_of.is_some() && !figures.real() {
            let page = path.display();
            return Err(format!("{page} quotes a real trace: name it in EPLB_TRACE").into());
        }
        let name = |error| format!("{}: {error}", path.display());
        let page = fs::read_to_string(path).map_err(|error| name(error.to_string()))?;
        let filled = blocks::fill(&page, |block| tables::block(block, &figures)).map_err(name)?;
        if filled != page {
            fs::write(path, &filled)?;
        }
        println!("{}: {}", path.display(), if filled == page { "as it was" } else { "written" });
        let faults = faults_of.map_or_else(Vec::new, |of| of(&filled, &figures));
        for fault in &faults {
            println!("{}: {fault}", path.display());
        }
        good &= faults.is_empty();
    }
    Ok(good)
}
