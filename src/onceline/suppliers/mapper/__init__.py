"""The kind `mapper`: boxes, gateways and apps that can only GET or POST; the operator says where each field is."""

from onceline.suppliers.base import Kind
from onceline.suppliers.mapper.inlet import BASIC, TOKEN, MapperInlet, check
from onceline.suppliers.mapper.settings import MapperSettings

KIND = Kind(
    name="mapper",
    settings=MapperSettings,
    secrets={
        TOKEN: "The end of the address that the box pushes to: at least 20 characters, such as `openssl rand -hex 16` gives",
        BASIC: "user:password, if the box sends HTTP Basic as well",
    },
    inlet=MapperInlet,
    check=check,
)
