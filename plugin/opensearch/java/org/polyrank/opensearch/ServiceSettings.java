package org.polyrank.opensearch;

import java.net.URI;
import java.net.URISyntaxException;
import java.util.List;
import java.util.function.Function;
import org.opensearch.common.settings.SecureSetting;
import org.opensearch.common.settings.Setting;
import org.opensearch.common.settings.Setting.Property;
import org.opensearch.common.unit.TimeValue;
import org.opensearch.core.common.settings.SecureString;

/** The node settings. Service addresses and the secret live here alone: a pipeline body cannot make a node call an address. */
final class ServiceSettings {
    static final Setting<List<URI>> URLS = Setting.listSetting(
        "polyrank.service.urls",
        List.of(),
        ServiceSettings::serviceUrl,
        Property.NodeScope,
        Property.Dynamic
    );
    static final Setting<Integer> BREAKER_FAILURES = Setting.intSetting(
        "polyrank.service.breaker.failures",
        5,
        1,
        1000,
        Property.NodeScope,
        Property.Dynamic
    );
    static final Setting<TimeValue> BREAKER_COOLDOWN = Setting.timeSetting(
        "polyrank.service.breaker.cooldown",
        TimeValue.timeValueSeconds(5),
        TimeValue.timeValueMillis(10),
        Property.NodeScope,
        Property.Dynamic
    );

    /** Lives in the node's keystore. */
    static final Setting<SecureString> TOKEN = SecureSetting.secureString("polyrank.service.token", null);
    /** A path, below the config folder unless absolute; empty: what the JVM trusts. */
    static final Setting<String> AUTHORITIES = Setting.simpleString("polyrank.service.tls.authorities", Property.NodeScope);

    /** What the node shows to a service that asks who calls: a PEM file of its certificate, and the chain up to an authority if there is one. */
    static final Setting<String> CERTIFICATE = Setting.simpleString("polyrank.service.tls.certificate", Property.NodeScope);
    /** The private key of that certificate: a PEM file, PKCS #8, not encrypted. */
    static final Setting<String> KEY = Setting.simpleString("polyrank.service.tls.key", Property.NodeScope);

    private ServiceSettings() {}

    /** Checks a token: what a header cannot carry is refused here, without being shown. */
    static String bearer(SecureString token) {
        String text = token.toString();
        if (text.matches("[!-~]*")) return text;
        throw new IllegalArgumentException("[" + TOKEN.getKey() + "] holds a character that is not printable ASCII: store the token again");
    }

    /** Parses one address: http or https, a host, no query and no fragment; a trailing slash is dropped. */
    static URI serviceUrl(String text) {
        Function<String, IllegalArgumentException> bad = why -> new IllegalArgumentException(
            "[polyrank.service.urls] holds [" + text + "], which " + why + ": write it like http://127.0.0.1:8808"
        );
        try {
            URI uri = new URI(text.strip().replaceAll("/+$", ""));
            if (!"http".equals(uri.getScheme()) && !"https".equals(uri.getScheme())) throw bad.apply("is neither http nor https");
            if (uri.getHost() == null) throw bad.apply("names no host");
            if (uri.getRawQuery() != null || uri.getRawFragment() != null) throw bad.apply("has a query or a fragment");
            return uri;
        } catch (URISyntaxException e) {
            throw bad.apply("is not a URL");
        }
    }
}
