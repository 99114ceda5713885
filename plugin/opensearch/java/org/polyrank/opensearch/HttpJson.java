package org.polyrank.opensearch;

import java.io.IOException;
import java.net.ConnectException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpConnectTimeoutException;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpTimeoutException;
import java.time.Duration;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import javax.net.ssl.SSLContext;
import org.opensearch.common.xcontent.XContentFactory;
import org.opensearch.common.xcontent.XContentType;
import org.opensearch.core.common.bytes.BytesReference;
import org.opensearch.core.xcontent.DeprecationHandler;
import org.opensearch.core.xcontent.NamedXContentRegistry;
import org.opensearch.core.xcontent.XContentParser;

/** Asynchronous JSON over HTTP/1.1 with a limit on the time of the whole exchange and on the size of the answer. */
final class HttpJson implements AutoCloseable {
    static final int MAX_BODY_BYTES = 8 * 1024 * 1024;
    private static final Duration CONNECT_TIMEOUT = Duration.ofSeconds(1);

    // Threads of our own: under the Java agent OpenSearch's pools put frames without a socket permission on the stack.
    private final ExecutorService threads = Executors.newCachedThreadPool(work -> {
        Thread thread = new Thread(work, "polyrank-http");
        thread.setDaemon(true);
        return thread;
    });
    private final HttpClient client;

    /** `tls` says whose certificates are believed and which one is shown; null leaves that to the JVM. */
    HttpJson(SSLContext tls) {
        HttpClient.Builder builder = HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1)
            .followRedirects(HttpClient.Redirect.NEVER) // a redirect would leave the configured addresses
            .connectTimeout(CONNECT_TIMEOUT)
            .executor(threads);
        if (tls != null) builder.sslContext(tls);
        client = builder.build();
    }

    /**
     * Posts one JSON object and parses the JSON object that comes back.
     * The future fails with a {@link ServiceException} alone, at the latest after `timeoutMs`. Cancelling it hangs up.
     */
    CompletableFuture<Map<String, Object>> post(URI uri, Map<String, String> headers, Map<String, Object> body, long timeoutMs) {
        byte[] json;
        try {
            json = BytesReference.toBytes(BytesReference.bytes(XContentFactory.jsonBuilder().map(body)));
        } catch (IOException e) {
            return CompletableFuture.failedFuture(ServiceException.refused("the request could not be written as JSON: " + e.getMessage()));
        }
        HttpRequest.Builder request = HttpRequest.newBuilder(uri)
            .timeout(Duration.ofMillis(timeoutMs))
            .header("Content-Type", "application/json")
            .POST(HttpRequest.BodyPublishers.ofByteArray(json));
        headers.forEach(request::header);
        CompletableFuture<HttpResponse<byte[]>> exchange = exchange(request.build(), timeoutMs);
        CompletableFuture<Map<String, Object>> answer = exchange.thenApply(response -> parse(uri, response));
        answer.whenComplete((value, error) -> {
            if (answer.isCancelled()) exchange.cancel(true);
        });
        return answer;
    }

    /** Opens a connection and loads the client's classes: the first exchange of a JVM costs hundreds of milliseconds. */
    CompletableFuture<Integer> warm(URI health, long timeoutMs) {
        HttpRequest request = HttpRequest.newBuilder(health).timeout(Duration.ofMillis(timeoutMs)).GET().build();
        return exchange(request, timeoutMs).thenApply(HttpResponse::statusCode);
    }

    private CompletableFuture<HttpResponse<byte[]>> exchange(HttpRequest request, long timeoutMs) {
        CompletableFuture<HttpResponse<byte[]>> answer = client.sendAsync(request, LimitedBody.handler(MAX_BODY_BYTES));
        CompletableFuture<HttpResponse<byte[]>> outcome = new CompletableFuture<>();
        // HttpRequest.timeout ends with the headers: a body that drips needs a limit of its own.
        answer.copy().orTimeout(timeoutMs, TimeUnit.MILLISECONDS).whenComplete((response, error) -> {
            if (error == null) {
                outcome.complete(response);
                return;
            }
            ServiceException sick = ServiceException.sick(request.uri().getPath() + " " + reason(error, timeoutMs));
            Runnable end = () -> {
                outcome.completeExceptionally(sick);
                answer.cancel(true); // hangs up, after the search has gone on
            };
            // a timeout arrives on the JVM's one timer thread, where no search may go on
            if (threads.isShutdown()) end.run();
            else threads.execute(end);
        });
        outcome.whenComplete((response, error) -> {
            if (outcome.isCancelled()) answer.cancel(true);
        });
        return outcome;
    }

    private static String reason(Throwable error, long timeoutMs) {
        Throwable cause = error instanceof CompletionException && error.getCause() != null ? error.getCause() : error;
        if (cause instanceof java.util.concurrent.TimeoutException) return "took longer than " + timeoutMs + " ms";
        if (cause instanceof HttpConnectTimeoutException) return "found no connection within " + CONNECT_TIMEOUT.toMillis() + " ms";
        if (cause instanceof HttpTimeoutException) return "took longer than " + timeoutMs + " ms";
        if (cause instanceof ConnectException) return "cannot be reached";
        return "failed: " + (cause.getMessage() == null ? cause.getClass().getSimpleName() : cause.getMessage());
    }

    private static Map<String, Object> parse(URI uri, HttpResponse<byte[]> response) {
        int status = response.statusCode();
        if (status == 429) throw ServiceException.busy(uri.getPath() + " answered HTTP 429");
        if (status >= 500) throw ServiceException.sick(uri.getPath() + " answered HTTP " + status);
        if (status != 200) throw ServiceException.refused(uri.getPath() + " answered HTTP " + status);
        try (
            XContentParser parser = XContentType.JSON.xContent()
                .createParser(NamedXContentRegistry.EMPTY, DeprecationHandler.IGNORE_DEPRECATIONS, response.body())
        ) {
            if (parser.nextToken() != XContentParser.Token.START_OBJECT) throw new IOException("not an object");
            return parser.map();
        } catch (IOException | RuntimeException e) {
            throw ServiceException.sick(uri.getPath() + " answered something that is not a JSON object");
        }
    }

    @Override
    public void close() {
        client.shutdownNow();
        threads.shutdownNow();
    }
}
