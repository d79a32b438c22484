"""How each provider signs its webhooks, with keys of our own; and Amazon's part of SNS: certificates and confirmations, behind a proxy."""
import base64
import hashlib
import hmac
import json
import os
import socketserver
import ssl
import subprocess
import threading
import time
import urllib.parse

TOPIC = "arn:aws:sns:eu-west-1:123456789012:mail"
SNS_HOST = "sns.eu-west-1.amazonaws.com"
CERTIFICATE = f"https://{SNS_HOST}/SimpleNotificationService-01.pem"
STANDARD_KEY = "whsec_" + base64.b64encode(b"0123456789abcdef01234567").decode()


def openssl(*arguments, data=None):
    return subprocess.run(["openssl", *map(str, arguments)], input=data, capture_output=True, check=True).stdout


def mac(key, text, digest="sha256"):
    return hmac.new(key.encode() if isinstance(key, str) else key, text, digest)


def base64_mac(key, text, digest="sha256"):
    return base64.b64encode(mac(key, text, digest).digest()).decode()


class Keys:
    """A directory with keys and certificates: of SendGrid, of SNS, and an authority for the proxy's TLS."""

    def __init__(self, directory):
        self.directory = directory
        at = self.at
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", at("ec.pem"))
        self.ec_public = base64.b64encode(openssl("pkey", "-in", at("ec.pem"), "-pubout", "-outform", "DER")).decode()
        for name, subject in (("ca", "/CN=test authority"), ("sns", "/CN=sns.amazonaws.com")):
            openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", 2, "-subj", subject,
                    "-keyout", at(name + ".key"), "-out", at(name + ".pem"))
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=" + SNS_HOST, "-keyout", at("tls.key"), "-out", at("tls.csr"))
        with open(at("tls.ext"), "w") as extensions:
            extensions.write(f"subjectAltName=DNS:{SNS_HOST}\n")
        openssl("x509", "-req", "-in", at("tls.csr"), "-CA", at("ca.pem"), "-CAkey", at("ca.key"), "-CAcreateserial", "-days", 2,
                "-extfile", at("tls.ext"), "-out", at("tls.pem"))

    def at(self, name):
        return os.path.join(self.directory, name)

    def ecdsa(self, text):
        return base64.b64encode(openssl("dgst", "-sha256", "-sign", self.at("ec.pem"), data=text)).decode()

    def sns(self, envelope, version="1"):
        """The envelope, signed."""
        names = ["Message", "MessageId", "Subject", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
        text = "".join(f"{name}\n{envelope[name]}\n" for name in names if name in envelope).encode()
        signature = openssl("dgst", "-sha1" if version == "1" else "-sha256", "-sign", self.at("sns.key"), data=text)
        return {**envelope, "SignatureVersion": version, "Signature": base64.b64encode(signature).decode(),
                "SigningCertURL": envelope.get("SigningCertURL", CERTIFICATE)}


class Amazon:
    """An HTTPS proxy that is Amazon to whoever goes through it. asked: what was fetched, as (host:port, path)."""

    def __init__(self, keys):
        amazon = self
        self.asked = []
        self.status = 200
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(keys.at("tls.pem"), keys.at("tls.key"))
        with open(keys.at("sns.pem"), "rb") as pem:
            certificate = pem.read()

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                host = self.rfile.readline().split()[1].decode()
                while self.rfile.readline().strip():
                    pass
                self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                try:
                    with context.wrap_socket(self.connection, server_side=True) as tls:
                        head = b""
                        while b"\r\n\r\n" not in head:
                            head += tls.recv(4096)
                        amazon.asked.append((host, head.split()[1].decode()))
                        tls.sendall(b"HTTP/1.1 %d x\r\nLocation: https://evil.example/\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
                                    % (amazon.status, len(certificate)) + certificate)
                except OSError:
                    pass

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"

    def stop(self):
        self.server.shutdown()
        self.server.server_close()


class Signer:
    """request(provider, fixture) → (target, headers, body) as the provider would send it. bad: with a signature that does not
    fit; age: signed so long ago."""

    def __init__(self, keys, url):
        self.keys = keys
        self.url = url

    SECRETS = {"resend": STANDARD_KEY, "ses": TOPIC}

    def secret(self, provider):
        return self.keys.ec_public if provider == "sendgrid" else self.SECRETS.get(provider, provider + "-secret")

    def request(self, provider, fixture, bad=False, age=0):
        headers = {"Content-Type": "application/json", **fixture.get("headers", {})}
        if "form" in fixture:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            body = urllib.parse.urlencode(fixture["form"]).encode()
        else:
            body = fixture["text"].encode()
        return getattr(self, provider)(body, headers, int(time.time()) - age, b"!" if bad else b"")

    def sendgrid(self, body, headers, now, flaw):
        headers["X-Twilio-Email-Event-Webhook-Signature"] = self.keys.ecdsa(str(now).encode() + body + flaw)
        headers["X-Twilio-Email-Event-Webhook-Timestamp"] = str(now)
        return "", headers, body

    def mailgun(self, body, headers, now, flaw):
        token = hashlib.sha256(body).hexdigest()[:50]
        signature = mac("mailgun-secret", b"%d%s" % (now, token.encode()) + flaw).hexdigest()
        signature = {"timestamp": str(now), "token": token, "signature": signature}
        return "", headers, body.replace(b'"@SIGNATURE@"', json.dumps(signature).encode())

    def postmark(self, body, headers, now, flaw):
        headers["Authorization"] = "Basic " + base64.b64encode(b"cohortd:postmark-secret" + flaw).decode()
        return "", headers, body

    def ses(self, body, headers, now, flaw):
        message_id = hashlib.sha256(body).hexdigest()
        envelope = {"Type": "Notification", "MessageId": message_id, "TopicArn": TOPIC, "Subject": "Amazon SES Email Event Notification",
                    "Message": body.decode(), "Timestamp": time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(now))}
        signed = self.keys.sns(envelope, "2" if len(body) % 2 else "1")
        if flaw:
            signed["Message"] += " "
        headers.update({"Content-Type": "text/plain; charset=UTF-8", "x-amz-sns-message-type": "Notification"})
        return "", headers, json.dumps(signed).encode()

    def brevo(self, body, headers, now, flaw):
        headers["Authorization"] = "Bearer brevo-secret" + flaw.decode()
        return "", headers, body

    def mandrill(self, body, headers, now, flaw):
        fields = urllib.parse.parse_qsl(body.decode(), keep_blank_values=True)
        text = self.url + "/v1/hooks/mandrill" + "".join(name + value for name, value in sorted(fields))
        headers["X-Mandrill-Signature"] = base64_mac("mandrill-secret", text.encode() + flaw, "sha1")
        return "", headers, body

    def mailchimp(self, body, headers, now, flaw):
        return "?token=mailchimp-secret" + ("x" if flaw else ""), headers, body

    def resend(self, body, headers, now, flaw):
        key = base64.b64decode(STANDARD_KEY[6:])
        headers["svix-timestamp"] = str(now)
        headers["svix-signature"] = "v1,AAAA v1," + base64_mac(key, b"%s.%d." % (headers["svix-id"].encode(), now) + body + flaw)
        return "", headers, body

    def shopify(self, body, headers, now, flaw):
        headers["X-Shopify-Hmac-Sha256"] = base64_mac("shopify-secret", body + flaw)
        return "", headers, body

    def stripe(self, body, headers, now, flaw):
        headers["Stripe-Signature"] = f"t={now},v1={'0' * 64},v1={mac('stripe-secret', b'%d.' % now + body + flaw).hexdigest()},v0=1"
        return "", headers, body

    def woocommerce(self, body, headers, now, flaw):
        headers["X-WC-Webhook-Signature"] = base64_mac("woocommerce-secret", body + flaw)
        return "", headers, body

    def meta(self, body, headers, now, flaw):
        headers["X-Hub-Signature-256"] = "sha256=" + mac("meta-secret", body + flaw).hexdigest()
        return "", headers, body

    def linkedin(self, body, headers, now, flaw):
        signature = mac("linkedin-secret", b"hmacsha256=" + body + flaw).hexdigest()
        headers["X-LI-Signature"] = ("hmacsha256=" if len(body) % 2 else "") + signature
        return "", headers, body

    def google_leads(self, body, headers, now, flaw):
        return "", headers, body.replace(b"@TOKEN@", b"google_leads-secret" + flaw)
