"""The HTTP API: the provider, the carrier, the mail house, and their faults."""

from typing import Annotated

from fastapi import APIRouter

from sandbox.carrier.api import api as carrier_api
from sandbox.faults import Faults
from sandbox.injection import Injector
from sandbox.mail.api import api as mail_api
from sandbox.provider.api import api as provider_api
from tallystick import resource

api = APIRouter()
api.include_router(provider_api)
api.include_router(carrier_api)
api.include_router(mail_api)
Inject = Annotated[Injector, resource(Injector)]


@api.get("/faults", tags=["faults"])
async def read_faults(injector: Inject) -> Faults:
    """Return the faults in force."""
    return injector.faults


@api.put("/faults", tags=["faults"])
async def set_faults(faults: Faults, injector: Inject) -> Faults:
    """Replace the faults, in this process and until it ends; `{}` removes all.

    All attempts are counted from 1 again.
    """
    injector.inject(faults)
    return faults
