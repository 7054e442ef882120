"""The literature behind the methods, as a bibliography with addresses."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Reference:
    """One work: ``authors`` as "A. Name" each, `…` for those left out; ``where`` journal, volume
    (year) page."""

    key: str
    authors: tuple[str, ...]
    title: str
    where: str
    year: int
    doi: str = ""

    @property
    def link(self) -> str:
        """Its lasting address; empty where none is known."""
        return f"https://doi.org/{self.doi}" if self.doi else ""

    @property
    def text(self) -> str:
        """The entry of a list of references."""
        names = self.authors
        who = (
            " and ".join(names)
            if len(names) < 3
            else f"{', '.join(names[:-1])} and {names[-1]}"
            if len(names) < 6 and "…" not in names
            else f"{names[0]} et al."
        )
        end = f", doi:{self.doi}" if self.doi else ""
        return f"{who}, {self.title}, {self.where}{end}"

    @property
    def bibtex(self) -> str:
        """The entry as BibTeX; braces keep the capitals of titles and names."""
        fields = {
            "author": " and ".join(self.authors).replace("…", "others"),
            "title": f"{{{self.title}}}",
            "howpublished": self.where,
            "year": str(self.year),
            **({"doi": self.doi} if self.doi else {}),
        }
        return bibtex("misc", self.key, fields)


def bibtex(kind: str, key: str, fields: dict[str, str]) -> str:
    """One entry of a BibTeX file."""
    rows = ",\n".join(
        f"  {name} = {{{text if name in _VERBATIM else _tex(text)}}}"
        for name, text in fields.items()
    )
    return f"@{kind}{{{key},\n{rows}\n}}"


_VERBATIM = ("doi", "url")


def _tex(text: str) -> str:
    return re.sub(r"([&%#_$])", r"\\\1", text)


REFERENCES = {
    reference.key: reference
    for reference in (
        Reference(
            "kingma2014",
            ("D. P. Kingma", "M. Welling"),
            "Auto-encoding variational Bayes",
            "International Conference on Learning Representations (2014)",
            2014,
            "10.48550/arXiv.1312.6114",
        ),
        Reference(
            "bepler2019",
            ("T. Bepler", "E. Zhong", "K. Kelley", "E. Brignole", "B. Berger"),
            "Explicitly disentangling image content from translation and rotation with spatial-VAE",
            "Advances in Neural Information Processing Systems 32 (2019)",
            2019,
            "10.48550/arXiv.1909.11663",
        ),
        Reference(
            "jiang2017",
            ("Z. Jiang", "Y. Zheng", "H. Tan", "B. Tang", "H. Zhou"),
            "Variational deep embedding: an unsupervised and generative approach to clustering",
            "International Joint Conference on Artificial Intelligence (2017) 1965",
            2017,
            "10.48550/arXiv.1611.05148",
        ),
        Reference(
            "scheres2005",
            ("S. H. W. Scheres", "M. Valle", "R. Nuñez", "C. O. S. Sorzano", "R. Marabini", "…"),
            "Maximum-likelihood multi-reference refinement for electron microscopy images",
            "Journal of Molecular Biology 348 (2005) 139",
            2005,
            "10.1016/j.jmb.2005.02.031",
        ),
        Reference(
            "dendekker2005",
            ("A. J. den Dekker", "S. Van Aert", "A. van den Bos", "D. Van Dyck"),
            "Maximum likelihood estimation of structure parameters from high resolution electron"
            " microscopy images. Part I: a theoretical framework",
            "Ultramicroscopy 104 (2005) 83",
            2005,
            "10.1016/j.ultramic.2005.03.001",
        ),
        Reference(
            "hytch1998",
            ("M. J. Hÿtch", "E. Snoeck", "R. Kilaas"),
            "Quantitative measurement of displacement and strain fields from HREM micrographs",
            "Ultramicroscopy 74 (1998) 131",
            1998,
            "10.1016/S0304-3991(98)00035-7",
        ),
        Reference(
            "ronneberger2015",
            ("O. Ronneberger", "P. Fischer", "T. Brox"),
            "U-Net: convolutional networks for biomedical image segmentation",
            "Medical Image Computing and Computer-Assisted Intervention (2015) 234",
            2015,
            "10.1007/978-3-319-24574-4_28",
        ),
        Reference(
            "tobin2017",
            ("J. Tobin", "R. Fong", "A. Ray", "J. Schneider", "W. Zaremba", "P. Abbeel"),
            "Domain randomization for transferring deep neural networks from simulation to the"
            " real world",
            "IEEE/RSJ International Conference on Intelligent Robots and Systems (2017) 23",
            2017,
            "10.48550/arXiv.1703.06907",
        ),
        Reference(
            "jaqaman2008",
            ("K. Jaqaman", "D. Loerke", "M. Mettlen", "H. Kuwata", "S. Grinstein", "…"),
            "Robust single-particle tracking in live-cell time-lapse sequences",
            "Nature Methods 5 (2008) 695",
            2008,
            "10.1038/nmeth.1237",
        ),
        Reference(
            "fukai2023",
            ("Y. T. Fukai", "K. Kawaguchi"),
            "LapTrack: linear assignment particle tracking with tunable metrics",
            "Bioinformatics 39 (2023) btac799",
            2023,
            "10.1093/bioinformatics/btac799",
        ),
        Reference(
            "schonemann1966",
            ("P. H. Schönemann",),
            "A generalized solution of the orthogonal Procrustes problem",
            "Psychometrika 31 (1966) 1",
            1966,
            "10.1007/BF02289451",
        ),
        Reference(
            "kuhn1955",
            ("H. W. Kuhn",),
            "The Hungarian method for the assignment problem",
            "Naval Research Logistics Quarterly 2 (1955) 83",
            1955,
            "10.1002/nav.3800020109",
        ),
        Reference(
            "hennig2007",
            ("C. Hennig",),
            "Cluster-wise assessment of cluster stability",
            "Computational Statistics & Data Analysis 52 (2007) 258",
            2007,
            "10.1016/j.csda.2006.11.025",
        ),
        Reference(
            "gelman1996",
            ("A. Gelman", "X.-L. Meng", "H. Stern"),
            "Posterior predictive assessment of model fitness via realized discrepancies",
            "Statistica Sinica 6 (1996) 733",
            1996,
        ),
        Reference(
            "kingma2015",
            ("D. P. Kingma", "J. Ba"),
            "Adam: a method for stochastic optimization",
            "International Conference on Learning Representations (2015)",
            2015,
            "10.48550/arXiv.1412.6980",
        ),
        Reference(
            "molder2021",
            (
                "F. Mölder",
                "K. P. Jablonski",
                "B. Letcher",
                "M. B. Hall",
                "C. H. Tomkins-Tinch",
                "…",
            ),
            "Sustainable data analysis with Snakemake",
            "F1000Research 10 (2021) 33",
            2021,
            "10.12688/f1000research.29032.2",
        ),
    )
}
"""All works that the text of methods may name, by key."""


def chosen(keys: Iterable[str]) -> list[Reference]:
    """The references of these keys, each once, in the order in which they come."""
    return [REFERENCES[key] for key in dict.fromkeys(keys)]
