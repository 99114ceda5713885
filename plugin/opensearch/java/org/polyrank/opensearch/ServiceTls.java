package org.polyrank.opensearch;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Signature;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import javax.net.ssl.KeyManager;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManager;
import javax.net.ssl.TrustManagerFactory;
import org.opensearch.common.settings.Setting;
import org.opensearch.common.settings.Settings;
import org.opensearch.env.Environment;

/** Whose certificates are believed when a model service is called by https, and what the node shows to a service that asks who calls. */
final class ServiceTls {
    private static final String CERTIFICATES = "a PEM file of certificates below the config folder";
    private static final String KEY = "a PEM file with the certificate's unencrypted PKCS #8 key below the config folder"
        + " (openssl pkcs8 -topk8 -nocrypt writes one)";
    private static final Pattern KEY_PEM = Pattern.compile("-----BEGIN PRIVATE KEY-----([A-Za-z0-9+/=\\s]+)-----END PRIVATE KEY-----");
    /** How a key of each kind signs, to see whether it is the certificate's. */
    private static final Map<String, String> SIGNATURES = Map.of("RSA", "SHA256withRSA", "EC", "SHA256withECDSA", "EdDSA", "EdDSA");
    /** The key store lives in memory alone. */
    private static final char[] NO_PASSWORD = {};

    private interface Reader<T> {
        T read(InputStream file) throws IOException, GeneralSecurityException;
    }

    private ServiceTls() {}

    /**
     * Reads the files that the node's settings name; null when they name none.
     * Throws IllegalArgumentException, which names the setting and what to do, when they cannot be used: the node must not start.
     */
    static SSLContext of(Environment environment) {
        Settings settings = environment.settings();
        boolean trusts = !ServiceSettings.AUTHORITIES.get(settings).isEmpty();
        boolean shows = !ServiceSettings.CERTIFICATE.get(settings).isEmpty();
        if (shows == ServiceSettings.KEY.get(settings).isEmpty()) {
            Setting<String> there = shows ? ServiceSettings.CERTIFICATE : ServiceSettings.KEY;
            Setting<String> missing = shows ? ServiceSettings.KEY : ServiceSettings.CERTIFICATE;
            throw new IllegalArgumentException("[" + there.getKey() + "] is of no use without [" + missing.getKey() + "]: set both or neither");
        }
        if (!trusts && !shows) return null;
        try {
            SSLContext context = SSLContext.getInstance("TLS");
            context.init(shows ? identity(environment) : null, trusts ? trust(environment) : null, null);
            return context;
        } catch (GeneralSecurityException e) {
            throw new IllegalStateException("this Java cannot set up TLS: " + e, e);
        }
    }

    /** The authorities of the file and no others. */
    private static TrustManager[] trust(Environment environment) throws GeneralSecurityException {
        KeyStore authorities = emptyStore();
        for (Certificate certificate : certificates(environment, ServiceSettings.AUTHORITIES)) {
            authorities.setCertificateEntry("authority-" + authorities.size(), certificate);
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(authorities);
        return trust.getTrustManagers();
    }

    private static KeyManager[] identity(Environment environment) throws GeneralSecurityException {
        Certificate[] chain = certificates(environment, ServiceSettings.CERTIFICATE);
        PrivateKey key = read(environment, ServiceSettings.KEY, KEY, file -> key(file, chain[0].getPublicKey()));
        KeyStore identity = emptyStore();
        identity.setKeyEntry("node", key, NO_PASSWORD, chain);
        KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keys.init(identity, NO_PASSWORD);
        return keys.getKeyManagers();
    }

    private static KeyStore emptyStore() throws GeneralSecurityException {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        try {
            store.load(null, null);
        } catch (IOException e) {
            throw new GeneralSecurityException(e);
        }
        return store;
    }

    private static Certificate[] certificates(Environment environment, Setting<String> setting) {
        return read(environment, setting, CERTIFICATES, file -> {
            Certificate[] found = CertificateFactory.getInstance("X.509").generateCertificates(file).toArray(Certificate[]::new);
            if (found.length == 0) throw new GeneralSecurityException("there is no certificate in it");
            return found;
        });
    }

    /** The private key of `certified`; the messages of what goes wrong tell nothing of the key. */
    private static PrivateKey key(InputStream file, PublicKey certified) throws IOException, GeneralSecurityException {
        Matcher pem = KEY_PEM.matcher(new String(file.readAllBytes(), StandardCharsets.US_ASCII));
        if (!pem.find()) throw new GeneralSecurityException("there is no PKCS #8 key in it");
        String algorithm = certified.getAlgorithm();
        byte[] encoded;
        try {
            encoded = Base64.getMimeDecoder().decode(pem.group(1));
        } catch (IllegalArgumentException e) {
            throw new GeneralSecurityException("its key is not base64");
        }
        PrivateKey key;
        try {
            key = KeyFactory.getInstance(algorithm).generatePrivate(new PKCS8EncodedKeySpec(encoded));
        } catch (GeneralSecurityException e) {
            throw new GeneralSecurityException("it holds no " + algorithm + " key, as the certificate needs");
        }
        Signature signing = Signature.getInstance(SIGNATURES.getOrDefault(algorithm, algorithm));
        signing.initSign(key);
        signing.update(certified.getEncoded());
        byte[] signed = signing.sign();
        signing.initVerify(certified);
        signing.update(certified.getEncoded());
        if (!signing.verify(signed)) throw new GeneralSecurityException("it is not the key of the certificate");
        return key;
    }

    private static <T> T read(Environment environment, Setting<String> setting, String wanted, Reader<T> reader) {
        Path path = environment.configDir().resolve(setting.get(environment.settings()));
        try (InputStream file = Files.newInputStream(path)) {
            return reader.read(file);
        } catch (IOException | GeneralSecurityException e) {
            throw new IllegalArgumentException("[" + setting.getKey() + "] names [" + path + "], which cannot be used (" + e + "): give " + wanted, e);
        }
    }
}
