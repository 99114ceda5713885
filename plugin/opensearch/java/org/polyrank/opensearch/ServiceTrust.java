package org.polyrank.opensearch;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/** Whose certificates are believed when a model service is called by https. */
final class ServiceTrust {
    private ServiceTrust() {}

    /**
     * Trusts the authorities in a PEM file and no others.
     * Throws IllegalArgumentException, which names the setting and the file, when the file cannot be used: the node must not start.
     */
    static SSLContext in(Path pem) {
        try (InputStream file = Files.newInputStream(pem)) {
            KeyStore authorities = KeyStore.getInstance(KeyStore.getDefaultType());
            authorities.load(null, null);
            for (Certificate certificate : CertificateFactory.getInstance("X.509").generateCertificates(file)) {
                authorities.setCertificateEntry("authority-" + authorities.size(), certificate);
            }
            if (authorities.size() == 0) throw new GeneralSecurityException("there is no certificate in it");
            TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
            trust.init(authorities);
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(null, trust.getTrustManagers(), null);
            return context;
        } catch (IOException | GeneralSecurityException e) {
            String setting = ServiceSettings.AUTHORITIES.getKey();
            throw new IllegalArgumentException(
                "[" + setting + "] names [" + pem + "], which cannot be used (" + e + "): give a PEM file of certificates below the config folder",
                e
            );
        }
    }
}
