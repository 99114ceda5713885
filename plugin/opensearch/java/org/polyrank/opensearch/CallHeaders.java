package org.polyrank.opensearch;

import java.security.SecureRandom;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import java.util.regex.Pattern;
import org.opensearch.common.util.concurrent.ThreadContext;
import org.opensearch.tasks.Task;

/**
 * The headers by which a call to a model service is known to belong to a search: its trace and its caller's request id.
 * Source: W3C Recommendation "Trace Context", 2021, section 3.2.
 */
final class CallHeaders {
    static final String TRACEPARENT = "traceparent";
    private static final Pattern VALID = Pattern.compile(
        "(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}(?:-[!-~]*)?"
    );
    private static final Pattern PRINTABLE = Pattern.compile("[ -~]+");
    private static final Random RANDOM = new SecureRandom();

    private CallHeaders() {}

    /** Those of the search that this thread works for; its own trace where the caller began none. */
    static Map<String, String> of(ThreadContext context) {
        Map<String, String> headers = new LinkedHashMap<>();
        String callers = context.getHeader(TRACEPARENT);
        SearchNote note = SearchTaskFilter.currentNote(context);
        if (callers != null && VALID.matcher(callers).matches()) headers.put(TRACEPARENT, callers);
        else headers.put(TRACEPARENT, note == null ? newTrace() : note.traceparent());
        String requestId = context.getHeader(Task.X_OPAQUE_ID);
        if (requestId != null && PRINTABLE.matcher(requestId).matches()) headers.put(Task.X_OPAQUE_ID, requestId);
        return headers;
    }

    /** A sampled trace of its own. */
    static String newTrace() {
        return "00-" + hex(16) + "-" + hex(8) + "-01";
    }

    private static String hex(int bytes) {
        byte[] random = new byte[bytes];
        RANDOM.nextBytes(random);
        random[0] |= 1; // all zeros would be no id
        return HexFormat.of().formatHex(random);
    }
}
