package org.polyrank.opensearch;

import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.regex.Pattern;
import org.opensearch.common.util.concurrent.ThreadContext;
import org.opensearch.tasks.Task;

/**
 * The headers by which a call to a model service is known to belong to a search: its trace and its caller's request id.
 * Source: W3C Recommendation "Trace Context", 2021, sections 3.2 and 3.3.
 */
final class CallHeaders {
    static final String TRACEPARENT = "traceparent";
    /** What each tracing system on the way has to say beside the trace; means nothing without it. */
    static final String TRACESTATE = "tracestate";
    /** What must be passed on; a longer one is shortened by whole members. */
    private static final int TRACESTATE_CHARACTERS = 512;
    /** Members beyond this go first when one is shortened. */
    private static final int MEMBER_CHARACTERS = 128;
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
        if (callers != null && VALID.matcher(callers).matches()) {
            headers.put(TRACEPARENT, callers);
            String state = traceState(context.getHeader(TRACESTATE));
            if (!state.isEmpty()) headers.put(TRACESTATE, state);
        } else headers.put(TRACEPARENT, note == null ? newTrace() : note.traceparent());
        String requestId = context.getHeader(Task.X_OPAQUE_ID);
        if (requestId != null && PRINTABLE.matcher(requestId).matches()) headers.put(Task.X_OPAQUE_ID, requestId);
        return headers;
    }

    /** The members of a tracestate that are passed on, in their order; empty when there is none or it holds what a header cannot carry. */
    private static String traceState(String given) {
        if (given == null || !PRINTABLE.matcher(given).matches()) return "";
        List<String> members = new ArrayList<>();
        for (String member : given.split(",")) if (!member.isBlank()) members.add(member.strip());
        if (length(members) > TRACESTATE_CHARACTERS) members.removeIf(member -> member.length() > MEMBER_CHARACTERS);
        while (length(members) > TRACESTATE_CHARACTERS) members.remove(members.size() - 1);
        return String.join(",", members);
    }

    private static int length(List<String> members) {
        return members.stream().mapToInt(member -> member.length() + 1).sum() - 1;
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
