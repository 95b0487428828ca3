"""Which requests are read at all, beyond what waitress asks of them."""

from __future__ import annotations

from waitress.parser import HTTPRequestParser, ParsingError


class StrictRequest(HTTPRequestParser):  # type: ignore[misc]  # waitress ships no types
    """A request whose end everybody who reads it sees in the same place (RFC 9112, 6.1 and 6.3)."""

    def parse_header(self, header_plus: bytes) -> None:
        """Read the head. Raises `ParsingError` for one with two ideas of how long its body is."""
        super().parse_header(header_plus)
        unread = "TRANSFER_ENCODING" in self.headers  # waitress takes it away where it heeds it, which is in HTTP/1.1
        if unread or (self.chunked and "CONTENT_LENGTH" in self.headers):
            raise ParsingError("Two lengths of one body")
