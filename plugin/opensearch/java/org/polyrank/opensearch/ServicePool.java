package org.polyrank.opensearch;

import java.net.URI;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.Function;
import java.util.stream.Collectors;
import org.opensearch.common.settings.ClusterSettings;
import org.opensearch.common.settings.Settings;
import org.opensearch.common.unit.TimeValue;
import org.opensearch.common.util.concurrent.ThreadContext;
import org.opensearch.core.common.settings.SecureString;
import org.opensearch.env.Environment;

/** Balances calls over the configured model services: the least busy one whose breaker lets calls pass, in turn among equals. */
final class ServicePool implements AutoCloseable {
    private static final long WARM_TIMEOUT_MS = 5_000;
    /** A call that was given less time than this says nothing about the service when it runs out of it. */
    private static final long TELLING_TIMEOUT_MS = 20;

    /** Of the time for a call, what the answer's way back and its reading may take: a quarter, at most so much. */
    private static final long RETURN_MS = 10;

    private record Endpoint(URI base, Breaker breaker, AtomicInteger callsInFlight) {}

    private final ThreadContext threadContext;
    private final HttpJson http;
    private final AtomicInteger turn = new AtomicInteger();
    private volatile String token;
    private volatile List<URI> urls;
    private volatile int breakerFailures;
    private volatile TimeValue breakerCooldown;
    private volatile List<Endpoint> endpoints = List.of();

    ServicePool(Environment environment, ClusterSettings clusterSettings, ThreadContext threadContext) {
        Settings settings = environment.settings();
        this.threadContext = threadContext;
        http = new HttpJson(ServiceTls.of(environment));
        readToken(settings);
        urls = ServiceSettings.URLS.get(settings);
        breakerFailures = ServiceSettings.BREAKER_FAILURES.get(settings);
        breakerCooldown = ServiceSettings.BREAKER_COOLDOWN.get(settings);
        clusterSettings.addSettingsUpdateConsumer(ServiceSettings.URLS, changed -> {
            urls = changed;
            rebuild();
        });
        clusterSettings.addSettingsUpdateConsumer(ServiceSettings.BREAKER_FAILURES, changed -> {
            breakerFailures = changed;
            rebuild();
        });
        clusterSettings.addSettingsUpdateConsumer(ServiceSettings.BREAKER_COOLDOWN, changed -> {
            breakerCooldown = changed;
            rebuild();
        });
        rebuild();
    }

    /** Takes the token from the keystore, which is open while a node starts or reloads it. */
    void readToken(Settings settings) {
        try (SecureString secret = ServiceSettings.TOKEN.get(settings)) {
            token = ServiceSettings.bearer(secret);
        }
    }

    private synchronized void rebuild() {
        List<Endpoint> built = new ArrayList<>();
        for (URI url : urls) built.add(new Endpoint(url, new Breaker(breakerFailures, breakerCooldown.nanos()), new AtomicInteger()));
        endpoints = List.copyOf(built);
        if (built.isEmpty()) http.warm(URI.create("http://127.0.0.1:9/"), WARM_TIMEOUT_MS); // refused at once, classes loaded
        for (Endpoint endpoint : built) http.warm(endpoint.base().resolve(endpoint.base().getPath() + "/health"), WARM_TIMEOUT_MS);
    }

    /**
     * Posts to `path` of one service and reads its answer; when that service is sick and there is time and another one, tries that once.
     *
     * @param reader turns the JSON object into a value and throws IllegalArgumentException on an answer of the wrong shape,
     *               which counts as a sick service
     * @return a future that fails with a {@link ServiceException} alone, unless the search ends first: then the call is hung up
     */
    <T> CompletableFuture<T> call(String path, Map<String, Object> body, Deadline deadline, Function<Map<String, Object>, T> reader) {
        if (deadline.isReached()) return CompletableFuture.failedFuture(ServiceException.refused("no time left before the deadline"));
        Endpoint first = acquire(null);
        if (first == null) return CompletableFuture.failedFuture(ServiceException.refused(whyNoEndpoint()));
        Map<String, String> headers = CallHeaders.of(threadContext);
        if (!token.isEmpty()) headers.put("Authorization", "Bearer " + token);
        return callOne(first, path, headers, body, deadline, reader).exceptionallyCompose(error -> {
            ServiceException cause = cause(error);
            boolean another = cause != null && (cause.isSick() || cause.isBusy());
            Endpoint second = another && deadline.remainingMs() >= TELLING_TIMEOUT_MS ? acquire(first) : null;
            return second == null ? CompletableFuture.failedFuture(error) : callOne(second, path, headers, body, deadline, reader);
        });
    }

    private <T> CompletableFuture<T> callOne(
        Endpoint endpoint,
        String path,
        Map<String, String> headers,
        Map<String, Object> body,
        Deadline deadline,
        Function<Map<String, Object>, T> reader
    ) {
        endpoint.callsInFlight().incrementAndGet();
        long timeoutMs = Math.max(1, deadline.remainingMs());
        Map<String, Object> timed = new LinkedHashMap<>(body);
        timed.put("deadline_ms", Math.max(1, timeoutMs - Math.min(RETURN_MS, timeoutMs / 4)));
        URI uri = endpoint.base().resolve(endpoint.base().getPath() + path);
        CompletableFuture<Map<String, Object>> posted = deadline.whileOpen(http.post(uri, headers, timed, timeoutMs));
        return posted.thenApply(answer -> {
            try {
                return reader.apply(answer);
            } catch (IllegalArgumentException e) {
                throw ServiceException.sick(path + " answered nonsense: " + e.getMessage());
            }
        }).whenComplete((value, error) -> {
            endpoint.callsInFlight().decrementAndGet();
            boolean hungUp = posted.isCancelled();
            boolean late = hungUp && deadline.isReached(); // the search ended a moment before the call's own timeout
            ServiceException cause = cause(error);
            boolean busy = cause != null && cause.isBusy();
            if (!hungUp && !busy && (cause == null || !cause.isSick())) endpoint.breaker().succeeded();
            else if (busy || timeoutMs < TELLING_TIMEOUT_MS || hungUp && !late) endpoint.breaker().abandoned();
            else endpoint.breaker().failed(System.nanoTime());
        });
    }

    private Endpoint acquire(Endpoint except) {
        List<Endpoint> all = endpoints;
        long now = System.nanoTime();
        List<Endpoint> order = new ArrayList<>(all.size());
        int start = all.isEmpty() ? 0 : Math.floorMod(turn.getAndIncrement(), all.size());
        for (int i = 0; i < all.size(); i++) order.add(all.get((start + i) % all.size()));
        order.sort((a, b) -> Integer.compare(a.callsInFlight().get(), b.callsInFlight().get())); // stable: turns among equals
        for (Endpoint endpoint : order) if (endpoint != except && endpoint.breaker().tryAcquire(now)) return endpoint;
        return null;
    }

    private String whyNoEndpoint() {
        List<Endpoint> all = endpoints;
        if (all.isEmpty()) return "no model service: the node setting [polyrank.service.urls] is empty";
        long now = System.nanoTime();
        return "circuit breaker open: " + all.stream()
            .map(e -> e.base() + " failed " + e.breaker().failuresInRow() + " times, next try in " + e.breaker().closedForMs(now) + " ms")
            .collect(Collectors.joining(", "));
    }

    private static ServiceException cause(Throwable error) {
        Throwable cause = error instanceof CompletionException ? error.getCause() : error;
        return cause instanceof ServiceException service ? service : null;
    }

    @Override
    public void close() {
        http.close();
    }
}
