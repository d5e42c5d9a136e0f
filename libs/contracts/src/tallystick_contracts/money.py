"""Money is whole minor units of a currency, never a float."""

from __future__ import annotations

from typing import Annotated

import msgspec

LARGEST = 10**12
"""Minor units; sums of millions of such amounts still fit the eight bytes of a database column."""

MinorUnits = Annotated[int, msgspec.Meta(ge=0, le=LARGEST)]
Currency = Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$", max_length=3)]
"""An ISO 4217 code by its form. Readers are tolerant; who takes an order knows the codes."""


class Money(msgspec.Struct, frozen=True, kw_only=True):
    """An amount in minor units (cents, or whole yen) and its ISO 4217 currency."""

    amount: MinorUnits
    currency: Currency


_CODES = """
AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF
CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ
GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP
LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR
PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC
SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XCG XOF
XPF YER ZAR ZMW ZWG
"""
CURRENCIES = frozenset(_CODES.split())
"""The currencies of ISO 4217 in which somebody can pay: no funds, metals or test codes."""
