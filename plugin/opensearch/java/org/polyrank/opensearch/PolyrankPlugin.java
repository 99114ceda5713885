package org.polyrank.opensearch;

import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.function.Supplier;
import org.opensearch.action.support.ActionFilter;
import org.opensearch.cluster.metadata.IndexNameExpressionResolver;
import org.opensearch.cluster.service.ClusterService;
import org.opensearch.common.settings.Setting;
import org.opensearch.common.settings.Settings;
import org.opensearch.core.common.io.stream.NamedWriteableRegistry;
import org.opensearch.core.xcontent.NamedXContentRegistry;
import org.opensearch.env.Environment;
import org.opensearch.env.NodeEnvironment;
import org.opensearch.plugins.ActionPlugin;
import org.opensearch.plugins.Plugin;
import org.opensearch.plugins.ReloadablePlugin;
import org.opensearch.plugins.SearchPipelinePlugin;
import org.opensearch.plugins.SearchPlugin;
import org.opensearch.repositories.RepositoriesService;
import org.opensearch.rest.RestHeaderDefinition;
import org.opensearch.script.ScriptService;
import org.opensearch.search.pipeline.Processor;
import org.opensearch.search.pipeline.SearchPhaseResultsProcessor;
import org.opensearch.search.pipeline.SearchRequestProcessor;
import org.opensearch.search.pipeline.SearchResponseProcessor;
import org.opensearch.search.sort.SortBuilder;
import org.opensearch.threadpool.ThreadPool;
import org.opensearch.transport.client.Client;
import org.opensearch.watcher.ResourceWatcherService;

/** Registers the processors, the queries, the response section, the settings and the note of the search task. */
public final class PolyrankPlugin extends Plugin implements SearchPipelinePlugin, SearchPlugin, ActionPlugin, ReloadablePlugin {
    private volatile Engine engine;

    @Override
    public Collection<Object> createComponents(
        Client client,
        ClusterService clusterService,
        ThreadPool threadPool,
        ResourceWatcherService resourceWatcherService,
        ScriptService scriptService,
        NamedXContentRegistry xContentRegistry,
        Environment environment,
        NodeEnvironment nodeEnvironment,
        NamedWriteableRegistry namedWriteableRegistry,
        IndexNameExpressionResolver indexNameExpressionResolver,
        Supplier<RepositoriesService> repositoriesServiceSupplier
    ) {
        ServicePool services = new ServicePool(environment, clusterService.getClusterSettings(), threadPool.getThreadContext());
        SearchedIndices searched = new SearchedIndices(indexNameExpressionResolver, namedWriteableRegistry);
        VectorFields vectorFields = new VectorFields(clusterService, searched);
        Schemas schemas = new Schemas(clusterService, searched);
        engine = new Engine(client, threadPool, clusterService, services, vectorFields, schemas, new Throughput(), new LastSearch(), xContentRegistry);
        return List.of();
    }

    @Override
    public List<Setting<?>> getSettings() {
        return List.of(
            ServiceSettings.URLS,
            ServiceSettings.BREAKER_FAILURES,
            ServiceSettings.BREAKER_COOLDOWN,
            ServiceSettings.TOKEN,
            ServiceSettings.AUTHORITIES,
            ServiceSettings.CERTIFICATE,
            ServiceSettings.KEY
        );
    }

    @Override
    public void reload(Settings settings) {
        engine.services().readToken(settings);
    }

    @Override
    public Collection<RestHeaderDefinition> getRestHeaders() {
        return List.of(
            new RestHeaderDefinition(CallHeaders.TRACEPARENT, true), // several: no trace, and no error
            new RestHeaderDefinition(CallHeaders.TRACESTATE, true) // several are one list
        );
    }

    @Override
    public List<ActionFilter> getActionFilters() {
        return List.of(new SearchTaskFilter(engine));
    }

    @Override
    public Map<String, Processor.Factory<SearchRequestProcessor>> getRequestProcessors(Parameters parameters) {
        return Map.of(
            HybridRerankProcessor.TYPE,
            (factories, tag, description, ignoreFailure, config, context) -> new HybridRerankProcessor(
                tag,
                description,
                ignoreFailure,
                PipelineConfig.read(tag, config, parameters.namedXContentRegistry),
                engine
            )
        );
    }

    @Override
    public Map<String, Processor.Factory<SearchResponseProcessor>> getResponseProcessors(Parameters parameters) {
        return Map.of(
            PolyrankResponseProcessor.TYPE,
            (factories, tag, description, ignoreFailure, config, context) -> new PolyrankResponseProcessor(
                tag,
                description,
                ignoreFailure,
                Localized.read(tag, config),
                engine
            )
        );
    }

    @Override
    public Map<String, Processor.Factory<SearchPhaseResultsProcessor>> getSearchPhaseResultsProcessors(Parameters parameters) {
        return Map.of(
            EarlyHits.TYPE,
            (factories, tag, description, ignoreFailure, config, context) -> EarlyHits.create(tag, description, ignoreFailure, parameters.threadContext),
            FusedPage.TYPE,
            (factories, tag, description, ignoreFailure, config, context) -> new FusedPage(tag, description, ignoreFailure)
        );
    }

    @Override
    public List<QuerySpec<?>> getQueries() {
        return List.of(
            new QuerySpec<>(RankedDocsQueryBuilder.NAME, RankedDocsQueryBuilder::new, RankedDocsQueryBuilder::fromXContent),
            new QuerySpec<>(UnloggedIdsQueryBuilder.NAME, UnloggedIdsQueryBuilder::new, UnloggedIdsQueryBuilder::fromXContent),
            new QuerySpec<>(OnIndicesQueryBuilder.NAME, OnIndicesQueryBuilder::new, OnIndicesQueryBuilder::fromXContent)
        );
    }

    @Override
    public List<NamedWriteableRegistry.Entry> getNamedWriteables() {
        return List.of(new NamedWriteableRegistry.Entry(SortBuilder.class, MatchSortBuilder.NAME, MatchSortBuilder::new));
    }

    @Override
    public List<SearchExtSpec<?>> getSearchExts() {
        return List.of(new SearchExtSpec<>(PolyrankExt.NAME, PolyrankExt::new, PolyrankExt::fromXContent));
    }

    @Override
    public void close() {
        Engine running = engine;
        if (running != null) running.services().close();
    }
}
