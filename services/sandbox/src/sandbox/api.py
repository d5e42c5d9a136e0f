"""The HTTP API: the provider, the carrier, and what goes wrong with both."""

from typing import Annotated

from fastapi import APIRouter

from sandbox.carrier.api import api as carrier_api
from sandbox.faults import Faults
from sandbox.injection import Injector
from sandbox.provider.api import api as provider_api
from tallystick import resource

api = APIRouter()
api.include_router(provider_api)
api.include_router(carrier_api)
Inject = Annotated[Injector, resource(Injector)]


@api.get("/faults", tags=["faults"])
async def read_faults(injector: Inject) -> Faults:
    """What goes wrong at present."""
    return injector.faults


@api.put("/faults", tags=["faults"])
async def set_faults(faults: Faults, injector: Inject) -> Faults:
    """Replace what goes wrong, in this process and until it ends; `{}` heals everything.

    Attempts are counted from the first again.
    """
    injector.inject(faults)
    return faults
