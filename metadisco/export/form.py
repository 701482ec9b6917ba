"""Choice of the exported form of an objective: the learned network or a closed form. Does not start JAX."""

from metadisco.discoveries.distilled import FILE, read
from metadisco.discoveries.sources import Source, find_source
from metadisco.errors import UserError

FORMS = ("network", "closed")


def choose_form(source: Source, form: str | None) -> Source:
    """Return the closed form of a run's objective if `form` asks for it, else `source` unchanged.

    Args:
        source: the objective.
        form: one of FORMS, or None for either.

    Raises:
        UserError: if the objective has no such form.
    """
    learned = source.section is not None
    if form == "network" and not learned:
        raise UserError(f"form: {source.name!r} is a closed form and has no network, allowed: closed")
    if form != "closed" or not learned:
        return source
    forms = source.run.path / "distilled" / FILE if source.run is not None else None
    if forms is None or not forms.is_file():
        raise UserError(
            f"form: no closed form of {source.name!r} is {f'in {str(forms)!r}' if forms else 'with it'}; allowed: to "
            "distil it first, or the path of a distilled.json as the objective"
        )
    if read(forms).get("source_sha256", source.sha256) != source.sha256:
        raise UserError(
            f"form: the forms in {str(forms)!r} were distilled from another objective than {source.name!r}; allowed: "
            "to distil this one, or the path of a distilled.json as the objective"
        )
    return find_source(str(forms))
