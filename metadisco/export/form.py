"""Which form of an objective is written: as learned, or closed. JAX is not started."""

from metadisco.discoveries.distilled import FILE, read
from metadisco.discoveries.sources import Source, find_source
from metadisco.errors import UserError

FORMS = ("network", "closed")


def in_form(source: Source, form: str | None) -> Source:
    """Return the closed form of a run's objective where that is asked for; else what was named.

    Args:
        source: what was named.
        form: one of FORMS, or None for either.

    Raises:
        UserError: if it has no such form.
    """
    learned = source.section is not None
    if form == "network" and not learned:
        raise UserError(f"form: {source.name!r} is a closed form, so that there is no network, allowed: closed")
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
            f"form: what is in {str(forms)!r} was distilled from another objective than {source.name!r}; allowed: "
            "to distil this one, or the path of a distilled.json as the objective"
        )
    return find_source(str(forms))
