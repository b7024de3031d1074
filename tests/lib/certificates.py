# SPDX-License-Identifier: BSD-3-Clause
"""Certificates for stories about TLS: an authority, a server's pair and a client's pair, made by openssl."""
import os
import ssl
import subprocess


def openssl(*arguments, folder):
    subprocess.run(['openssl', *arguments], cwd=folder, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)


class Certificates:
    def __init__(self, folder):
        self.folder = str(folder)
        openssl('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=authority of ' + os.path.basename(self.folder), '-keyout', 'ca.key',
                '-out', 'ca.crt', folder=self.folder)
        for name in ('server', 'client', 'other'):
            self.make(name)

    def path(self, name):
        return os.path.join(self.folder, name)

    def make(self, name):
        """name.crt, signed by the authority, and name.key."""
        openssl('req', '-newkey', 'rsa:2048', '-nodes', '-subj', '/CN=' + name, '-keyout', name + '.key', '-out', name + '.csr',
                folder=self.folder)
        openssl('x509', '-req', '-in', name + '.csr', '-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-days', '2',
                '-out', name + '.crt', folder=self.folder)

    def directives(self, name='server'):
        return {'tls_cert_file': self.path(name + '.crt'), 'tls_key_file': self.path(name + '.key'),
                'tls_ca_cert_file': self.path('ca.crt')}

    def client(self, name='client', version=None):
        """A context for a client that shows the pair of that name, None: none."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.load_verify_locations(self.path('ca.crt'))
        if name:
            context.load_cert_chain(self.path(name + '.crt'), self.path(name + '.key'))
        if version:
            context.minimum_version = context.maximum_version = version
        return context
