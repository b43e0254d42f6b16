# SPDX-License-Identifier: Apache-2.0
"""Certificates of the tests' own world: an authority that one may choose to trust, and those of servers
that are as they should be, or are not."""
import datetime
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)


def subject(name):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


class Pair:
    """A certificate and its key, as files."""

    def __init__(self, base, stem, certificate, key, chain=b""):
        self.certificate, self.private = certificate, key
        self.cert, self.key = base / f"{stem}.pem", base / f"{stem}.key"
        self.cert.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + chain)
        self.key.write_bytes(key.private_bytes(serialization.Encoding.PEM,
                                               serialization.PrivateFormat.PKCS8,
                                               serialization.NoEncryption()))
        self.key.chmod(0o600)

    @property
    def sha256(self):
        return self.certificate.fingerprint(hashes.SHA256()).hex()

    def context(self, alpn=("http/1.1",)):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, self.key)
        if alpn:
            context.set_alpn_protocols(list(alpn))
        return context


class Authority(Pair):
    def __init__(self, base, name):
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.utcnow()
        usage = x509.KeyUsage(False, False, False, False, False, True, True, False, False)
        ski = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        certificate = (
            x509.CertificateBuilder().subject_name(subject(name)).issuer_name(subject(name))
            .public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now - DAY).not_valid_after(now + 30 * DAY)
            .add_extension(x509.BasicConstraints(True, None), True)
            .add_extension(usage, True).add_extension(ski, False)
            .sign(key, hashes.SHA256()))
        super().__init__(base, name.replace(" ", "-"), certificate, key)
        self.base, self.name = base, name

    def issue(self, stem, *names, begin=-DAY, end=7 * DAY):
        """A server's certificate for these names, valid from begin to end as seen from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.utcnow()
        aki = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.private.public_key())
        certificate = (
            x509.CertificateBuilder().subject_name(subject(names[0]))
            .issuer_name(subject(self.name)).public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + begin).not_valid_after(now + end)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), False)
            .add_extension(x509.BasicConstraints(False, None), True).add_extension(aki, False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
            .sign(self.private, hashes.SHA256()))
        return Pair(self.base, stem, certificate, key)
